"""Systems of the literature, one file each, by name."""

from collections.abc import Callable, Mapping

from triptych.architectures.architecture import Architecture
from triptych.architectures.blip2 import blip2_debug, blip2_opt_2_7b
from triptych.architectures.blip2_itm import blip2_itm, blip2_itm_debug
from triptych.architectures.clip import clip_b16, clip_b32, clip_debug, clip_l14, clip_l14_336
from triptych.architectures.debug import debug_tokenizer
from triptych.architectures.flamingo import (
    flamingo_3b,
    flamingo_9b,
    flamingo_80b,
    flamingo_debug,
)
from triptych.architectures.git import git_base, git_debug, git_large
from triptych.architectures.idefics import idefics_9b, idefics_debug
from triptych.architectures.internvl import (
    internvl2_1b,
    internvl2_2b,
    internvl2_8b,
    internvl_debug,
)
from triptych.architectures.kosmos2 import kosmos2, kosmos2_debug
from triptych.architectures.llava import llava_1_5_7b, llava_1_5_debug, llava_7b, llava_debug
from triptych.architectures.llava_next import (
    llava_next_debug,
    llava_next_mistral_7b,
    llava_next_vicuna_7b,
)
from triptych.architectures.mini import mini
from triptych.architectures.minivlm import minivlm, minivlm_debug
from triptych.architectures.paligemma import (
    paligemma_3b_224,
    paligemma_3b_448,
    paligemma_3b_896,
    paligemma_debug,
)
from triptych.architectures.qwen2_5_vl import (
    qwen2_5_vl_3b,
    qwen2_5_vl_7b,
    qwen2_5_vl_72b,
    qwen2_5_vl_debug,
)
from triptych.architectures.qwen2_vl import (
    qwen2_vl_2b,
    qwen2_vl_7b,
    qwen2_vl_72b,
    qwen2_vl_debug,
)
from triptych.architectures.scorer import ScorerArchitecture
from triptych.architectures.siglip import siglip_b16, siglip_debug, siglip_so400m
from triptych.architectures.smolvlm import (
    smolvlm_2_2b,
    smolvlm_256m,
    smolvlm_500m,
    smolvlm_debug,
)
from triptych.errors import UnknownNameError

ARCHITECTURES: Mapping[str, Callable[[], Architecture]] = {
    each.__name__: each
    for each in (
        blip2_debug,
        blip2_opt_2_7b,
        flamingo_3b,
        flamingo_80b,
        flamingo_9b,
        flamingo_debug,
        internvl2_1b,
        internvl2_2b,
        internvl2_8b,
        internvl_debug,
        git_base,
        git_debug,
        git_large,
        kosmos2,
        kosmos2_debug,
        idefics_9b,
        idefics_debug,
        llava_1_5_7b,
        llava_1_5_debug,
        llava_7b,
        llava_debug,
        llava_next_debug,
        llava_next_mistral_7b,
        llava_next_vicuna_7b,
        mini,
        minivlm,
        minivlm_debug,
        paligemma_3b_224,
        paligemma_3b_448,
        paligemma_3b_896,
        paligemma_debug,
        qwen2_5_vl_3b,
        qwen2_5_vl_72b,
        qwen2_5_vl_7b,
        qwen2_5_vl_debug,
        qwen2_vl_2b,
        qwen2_vl_72b,
        qwen2_vl_7b,
        qwen2_vl_debug,
        smolvlm_256m,
        smolvlm_2_2b,
        smolvlm_500m,
        smolvlm_debug,
    )
}
"""Every named system; those ending in `_debug` are twins that train on a CPU in seconds."""

SCORERS: Mapping[str, Callable[[], ScorerArchitecture]] = {
    each.__name__: each
    for each in (
        blip2_itm,
        blip2_itm_debug,
        clip_b16,
        clip_b32,
        clip_debug,
        clip_l14,
        clip_l14_336,
        siglip_b16,
        siglip_debug,
        siglip_so400m,
    )
}
"""Every named system that compares pictures with texts, likewise."""


def find_architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in ARCHITECTURES:
        raise UnknownNameError("architecture", name, ARCHITECTURES)
    return ARCHITECTURES[name]()


__all__ = [
    "ARCHITECTURES",
    "SCORERS",
    "Architecture",
    "ScorerArchitecture",
    "debug_tokenizer",
    "find_architecture",
]
