"""Qwen2-VL's weights as published on the Hub: which tensor is which of ours, both ways.

    ours                                         published
    vision.patch                                 visual.patch_embed.proj, a 3-D convolution kernel
    vision.blocks.N.attention.query/key/value    visual.blocks.N.attn.qkv, one matrix
    connector.norm, connector.mlp                visual.merger.ln_q, visual.merger.mlp
    language.blocks.N                            model.layers.N
    language.embedding                           model.embed_tokens, also the head where it is tied
    language.lm_head                             lm_head, where it is not

The published code orders patches block by block, ours in reading order. That concerns inputs
alone: attention does not know an order, and both fold the same four patches into a token.
"""

from collections.abc import Iterable, Iterator

from torch import Tensor

from triptych.fusion.vlm import VLMConfig
from triptych.published import tensors as published
from triptych.published.language import LLAMA_NAMES
from triptych.published.tensors import PanelNames, PublishedTensor

NAMES = {
    "vision": PanelNames(
        outside={"patch": "visual.patch_embed.proj"},
        stack="visual.blocks",
        in_block={
            "norm_1": "norm1",
            "attention.query": "attn.qkv",
            "attention.key": "attn.qkv",
            "attention.value": "attn.qkv",
            "attention.out": "attn.proj",
            "norm_2": "norm2",
            "mlp.up": "mlp.fc1",
            "mlp.down": "mlp.fc2",
        },
        has_frames=True,
    ),
    "connector": PanelNames(
        outside={
            "norm": "visual.merger.ln_q",
            "mlp.up": "visual.merger.mlp.0",
            "mlp.down": "visual.merger.mlp.2",
        }
    ),
    "language": LLAMA_NAMES,
}

RENAMES = (("model.visual.", "visual."), ("model.language_model.", "model."))
"""What transformers 5 has in memory, and the Hub's."""


def published_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of the published layout, in the order of our modules."""
    return published.published_tensors(config, NAMES, "Qwen2-VL")


def hub_name(name: str) -> str:
    """The name on the Hub of a tensor whose name may be that in memory of transformers 5."""
    return published.renamed(name, RENAMES)


def from_published(
    tensors: Iterable[tuple[str, Tensor]], config: VLMConfig
) -> Iterator[tuple[str, Tensor]]:
    """Our names and tensors for published ones, under either kind of name."""
    named = ((hub_name(name), tensor) for name, tensor in tensors)
    return published.from_published(named, published_tensors(config))
