"""LLaVA and LLaVA-1.5: CLIP's patches, one small connector, a chat model.

    v1    224 x 224 -> CLIP ViT-L/14 -> 256 patches -> Linear               -> Vicuna
    1.5   336 x 336 -> CLIP ViT-L/14 -> 576 patches -> Linear GELU Linear   -> Vicuna

Patches are the output of the second last block (no final norm) without the class token. The
picture stands where the user's message names it; its tokens take ordinary positions under a causal
mask. Version 1.5 pads a picture to a square with the mean colour before resizing. Its connector
has 20,979,712 parameters at 4096 wide; the GELU is the exact one, although CLIP's is not.

Stage 1 trains the connector, stage 2 connector and language; the vision panel stays frozen.

Visual Instruction Tuning: https://arxiv.org/abs/2304.08485
Improved Baselines: https://arxiv.org/abs/2310.03744

Departures: the vocabulary is that of the checkpoints published for other engines (32,064 entries,
of which `<image>` is 32,000), since the original code keeps pictures out of the vocabulary.
"""

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import ConnectorConfig, LinearConfig, MLPConfig, mlp_llava_1_5
from triptych.fusion.vlm import VLMConfig
from triptych.language import LanguageConfig, llama_7b
from triptych.media import FixedResizeConfig, PadToSquareConfig, ResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import VICUNA
from triptych.vision import (
    VisionConfig,
    clip_vit_l14,
    clip_vit_l14_336,
    clip_vit_l14_debug,
    penultimate,
)

VOCAB_SIZE = 32_064


def llava_7b() -> Architecture:
    """LLaVA v1 with Vicuna 7B."""
    return _llava(
        "llava_7b",
        penultimate(clip_vit_l14()),
        LinearConfig(),
        llama_7b(VOCAB_SIZE),
        FixedResizeConfig(height=224, width=224),
        "https://arxiv.org/abs/2304.08485",
    )


def llava_1_5_7b() -> Architecture:
    """LLaVA-1.5 with Vicuna 7B."""
    return _llava(
        "llava_1_5_7b",
        penultimate(clip_vit_l14_336()),
        mlp_llava_1_5(),
        llama_7b(VOCAB_SIZE),
        PadToSquareConfig(size=336),
        "https://arxiv.org/abs/2310.03744",
    )


def llava_debug() -> Architecture:
    """LLaVA v1 for tests."""
    return _llava(
        "llava_debug",
        penultimate(clip_vit_l14_debug()),
        LinearConfig(),
        debug_decoder(num_kv_heads=4),
        FixedResizeConfig(height=32, width=32),
        "https://arxiv.org/abs/2304.08485",
    )


def llava_1_5_debug() -> Architecture:
    """LLaVA-1.5 for tests."""
    return _llava(
        "llava_1_5_debug",
        penultimate(clip_vit_l14_debug()),
        MLPConfig(),
        debug_decoder(num_kv_heads=4, tied=False),
        PadToSquareConfig(size=32),
        "https://arxiv.org/abs/2310.03744",
    )


def _llava(
    name: str,
    vision: VisionConfig,
    connector: ConnectorConfig,
    language: LanguageConfig,
    resize: ResizeConfig,
    paper: str,
) -> Architecture:
    return Architecture(
        name=name,
        model=VLMConfig(vision=vision, connector=connector, language=language),
        processor=ProcessorConfig(resize=resize, template=VICUNA, max_tokens=2048),
        paper=paper,
    )
