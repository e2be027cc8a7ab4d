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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.errors import ConfigError
from triptych.fusion.vlm import VLMConfig
from triptych.vision import ViTConfig
from triptych.vision.patches import NUM_CHANNELS

_STACKS = {"vision": "visual.blocks", "language": "model.layers"}

_IN_BLOCK = {
    "vision": {
        "norm_1": "norm1",
        "attention.query": "attn.qkv",
        "attention.key": "attn.qkv",
        "attention.value": "attn.qkv",
        "attention.out": "attn.proj",
        "norm_2": "norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    },
    "language": {
        "norm_1": "input_layernorm",
        "attention.query": "self_attn.q_proj",
        "attention.key": "self_attn.k_proj",
        "attention.value": "self_attn.v_proj",
        "attention.out": "self_attn.o_proj",
        "norm_2": "post_attention_layernorm",
        "mlp.gate": "mlp.gate_proj",
        "mlp.up": "mlp.up_proj",
        "mlp.down": "mlp.down_proj",
    },
}

_OUTSIDE = {
    "vision.patch": "visual.patch_embed.proj",
    "connector.norm": "visual.merger.ln_q",
    "connector.mlp.up": "visual.merger.mlp.0",
    "connector.mlp.down": "visual.merger.mlp.2",
    "language.embedding": "model.embed_tokens",
    "language.norm": "model.norm",
    "language.lm_head": "lm_head",
}

PATCH_KERNEL, EMBEDDING, HEAD = (
    f"{_OUTSIDE[module]}.weight"
    for module in ("vision.patch", "language.embedding", "language.lm_head")
)


@dataclass(frozen=True, slots=True)
class PublishedTensor:
    """One tensor of a published file, and what it is in our model."""

    name: str
    """As on the Hub."""

    parts: tuple[str, ...]
    """Our names of what is stacked in it along its first axis."""

    shape: tuple[int, ...]
    """As published."""

    def join(self, state: Mapping[str, Tensor]) -> Tensor:
        """The published tensor, made of ours."""
        pieces = [state[part] for part in self.parts]
        return (pieces[0] if len(pieces) == 1 else torch.cat(pieces)).reshape(self.shape)

    def split(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Our names and tensors, views of the published one."""
        rows = tensor.flatten(1) if tensor.ndim > 2 else tensor
        yield from zip(self.parts, rows.chunk(len(self.parts)), strict=True)


def published_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of the published layout, in the order of our modules."""
    with torch.device("meta"):
        state = config.build().state_dict()
    parts: dict[str, list[str]] = {}
    for ours in state:
        parts.setdefault(_published_name(ours), []).append(ours)
    return [
        PublishedTensor(name, tuple(ours), _shape(name, [state[each] for each in ours], config))
        for name, ours in parts.items()
    ]


def hub_name(name: str) -> str:
    """The name on the Hub of a tensor whose name may be that in memory of transformers 5."""
    for in_memory, on_hub in (("model.visual.", "visual."), ("model.language_model.", "model.")):
        if name.startswith(in_memory):
            return on_hub + name.removeprefix(in_memory)
    return name


def from_published(
    tensors: Iterable[tuple[str, Tensor]], config: VLMConfig
) -> Iterator[tuple[str, Tensor]]:
    """Our names and tensors for published ones, under either kind of name."""
    known = {tensor.name: tensor for tensor in published_tensors(config)}
    for name, tensor in tensors:
        yield from known[hub_name(name)].split(tensor)


def _published_name(ours: str) -> str:
    module, _, kind = ours.rpartition(".")
    panel, in_block, rest = module.partition(".blocks.")
    names, key, place = _OUTSIDE, module, ""
    if in_block:
        index, _, key = rest.partition(".")
        names, place = _IN_BLOCK[panel], f"{_STACKS[panel]}.{index}."
    if key not in names:
        raise ConfigError(f"the published layout of Qwen2-VL has no place for {ours}")
    return f"{place}{names[key]}.{kind}"


def _shape(name: str, ours: list[Tensor], config: VLMConfig) -> tuple[int, ...]:
    vision = config.vision
    if name == PATCH_KERNEL and isinstance(vision, ViTConfig):
        side = vision.patch_size
        return (vision.dim, NUM_CHANNELS, vision.temporal_patch_size, side, side)
    return (sum(len(each) for each in ours), *ours[0].shape[1:])
