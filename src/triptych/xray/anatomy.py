"""Where the parameters are: counted on the meta device, so a 72B model takes no memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from triptych.fusion.vlm import PANELS, VLM, VLMConfig


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Parameters of a model; tied weights are counted once, under the part that owns them."""

    panels: Mapping[str, int]
    """By panel; together they are all parameters."""

    parts: Mapping[str, int]
    """By the panels' own children, `panel.part`."""

    @property
    def total(self) -> int:
        return sum(self.panels.values())


def anatomy(config: VLMConfig) -> Anatomy:
    """Count the parameters of a model that is described but not built."""
    with torch.device("meta"):
        return count_parameters(config.build())


def count_parameters(model: VLM) -> Anatomy:
    """Count the parameters of a built model.

    Raises:
        AssertionError: a parameter belongs to no panel.
    """
    panels: dict[str, int] = dict.fromkeys(PANELS, 0)
    parts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        panel, _, rest = name.partition(".")
        assert panel in panels, f"{name} belongs to no panel"
        panels[panel] += parameter.numel()
        part = f"{panel}.{rest.partition('.')[0]}"
        parts[part] = parts.get(part, 0) + parameter.numel()
    return Anatomy(panels, parts)
