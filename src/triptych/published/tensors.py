"""Tensors of published files: which is which of ours, both ways, told by tables of names.

A table belongs to one panel as one family publishes it. It names modules and parameters of ours,
those of a block apart, so that a published model is described by one table a panel and the prefix
under which it stands. Where several of ours have one published name they are stacked along its
first axis, in the order of our modules (query, key and value of a fused layer).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from triptych.errors import ConfigError
from triptych.fusion.dual import DualConfig
from triptych.fusion.matching import MatcherConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig
from triptych.nn.meta import without_weights
from triptych.vision import ViTConfig
from triptych.vision.patches import NUM_CHANNELS

Renames = tuple[tuple[str, str], ...]
"""Beginnings of names and what stands in their place; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class PublishedTensor:
    """One tensor of a published file, and what it is in our model."""

    name: str
    """As on the Hub."""

    parts: tuple[str, ...]
    """Our names of what is stacked in it along its first axis."""

    shape: tuple[int, ...]
    """As published."""

    part_shapes: tuple[tuple[int, ...], ...]
    """Of ours."""

    def join(self, state: Mapping[str, Tensor]) -> Tensor:
        """The published tensor, made of ours."""
        pieces = [state[part] for part in self.parts]
        return (pieces[0] if len(pieces) == 1 else torch.cat(pieces)).reshape(self.shape)

    def split(self, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Our names and tensors, views of the published one."""
        if self.part_shapes == ((),):
            yield self.parts[0], tensor.reshape(())
            return
        rows = tensor.reshape(-1, *self.part_shapes[0][1:])
        start = 0
        for part, shape in zip(self.parts, self.part_shapes, strict=True):
            yield part, rows[start : start + shape[0]]
            start += shape[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelNames:
    """What the modules and parameters of one panel are called in published files."""

    outside: Mapping[str, str]
    """Outside of blocks: a module by its name, or a parameter by its whole name."""

    stack: str = ""
    """What the list of blocks is called."""

    in_block: Mapping[str, str] = field(default_factory=dict[str, str])
    """Inside a block, in the same manner."""

    outer_axes: Mapping[str, int] = field(default_factory=dict[str, int])
    """Axes of length one that a published parameter has in front of ours, by our name."""

    blocks: str = "blocks"
    """What our list of blocks is called."""

    step: int = 1
    """How far the indexes of our blocks are apart; those published follow each other."""

    has_frames: bool = False
    """Whether the kernel of the patches has an axis of frames even where that is one."""

    def under(self, prefix: str) -> "PanelNames":
        """The same names with `prefix` in front."""
        outside = {ours: prefix + name for ours, name in self.outside.items()}
        return replace(self, outside=outside, stack=prefix + self.stack)

    def num_outer_axes(self, ours: str) -> int:
        """Axes of length one in front of a parameter, as published."""
        in_block = ours.startswith(f"{self.blocks}.")
        return self.outer_axes.get(ours.split(".", 2)[2] if in_block else ours, 0)

    def find(self, ours: str) -> str | None:
        """The published name of a parameter of the panel; None where it has none."""
        if not ours.startswith(f"{self.blocks}."):
            return _look_up(self.outside, ours)
        _, index, inner = ours.split(".", 2)
        name = _look_up(self.in_block, inner)
        return None if name is None else f"{self.stack}.{int(index) // self.step}.{name}"


def published_tensors(
    config: VLMConfig | DualConfig | MatcherConfig, names: Mapping[str, PanelNames], system: str
) -> list[PublishedTensor]:
    """Every tensor of a published model, in the order of our modules.

    Args:
        config: The model.
        names: A table for each panel that has parameters.
        system: What the family is called, for messages.

    Raises:
        ConfigError: a parameter of ours has no place there.
    """
    with without_weights():
        state = config.build().state_dict()
    return _tensors(state, names, _kernel(config.vision, names.get("vision")), system)


def part_tensors(
    config: ViTConfig | DecoderConfig, names: PanelNames, system: str
) -> list[PublishedTensor]:
    """Every tensor of one published panel; our names are those inside the panel.

    Raises:
        ConfigError: a parameter of ours has no place there.
    """
    with without_weights():
        state = config.build().state_dict()
    whole = {f"part.{name}": tensor for name, tensor in state.items()}
    return [
        replace(each, parts=tuple(part.removeprefix("part.") for part in each.parts))
        for each in _tensors(whole, {"part": names}, _kernel(config, names), system)
    ]


def from_published(
    tensors: Iterable[tuple[str, Tensor]], known: Iterable[PublishedTensor]
) -> Iterator[tuple[str, Tensor]]:
    """Our names and tensors for published ones under their names on the Hub."""
    by_name = {tensor.name: tensor for tensor in known}
    for name, tensor in tensors:
        yield from by_name[name].split(tensor)


def renamed(name: str, renames: Renames) -> str:
    """The name with its beginning replaced by the first rule that fits."""
    for theirs, hub in renames:
        if name.startswith(theirs):
            return hub + name.removeprefix(theirs)
    return name


def _look_up(names: Mapping[str, str], ours: str) -> str | None:
    if ours in names:
        return names[ours]
    module, _, kind = ours.rpartition(".")
    return f"{names[module]}.{kind}" if module in names else None


def _kernel(config: object, names: PanelNames | None) -> tuple[int, ...]:
    """The axes of a published patch kernel behind the first."""
    if not isinstance(config, ViTConfig) or names is None:
        return ()
    frames = (config.temporal_patch_size,) if names.has_frames else ()
    return (NUM_CHANNELS, *frames, config.patch_size, config.patch_size)


def _tensors(
    state: Mapping[str, Tensor],
    names: Mapping[str, PanelNames],
    kernel: tuple[int, ...],
    system: str,
) -> list[PublishedTensor]:
    groups: dict[str, list[str]] = {}
    for ours in state:
        panel, _, inner = ours.partition(".")
        name = names[panel].find(inner) if panel in names else None
        if name is None:
            raise ConfigError(f"the published layout of {system} has no place for {ours}")
        groups.setdefault(name, []).append(ours)
    return [_tensor(name, parts, state, names, kernel) for name, parts in groups.items()]


def _tensor(
    name: str,
    parts: list[str],
    state: Mapping[str, Tensor],
    names: Mapping[str, PanelNames],
    kernel: tuple[int, ...],
) -> PublishedTensor:
    panel, _, inner = parts[0].partition(".")
    shapes = tuple(tuple(state[part].shape) for part in parts)
    outer = (1,) * names[panel].num_outer_axes(inner)
    if shapes == ((),):
        return PublishedTensor(name, tuple(parts), outer, shapes)
    rows, rest = sum(shape[0] for shape in shapes), shapes[0][1:]
    shape = (rows, *kernel) if inner == "patch.weight" else (*outer, rows, *rest)
    return PublishedTensor(name, tuple(parts), shape, shapes)
