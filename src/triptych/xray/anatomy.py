"""Where the parameters are: counted on the meta device, so a 72B model takes no memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from triptych.architectures.scorer import ScorerConfig
from triptych.fusion.vlm import PANELS, VLM, VLMConfig
from triptych.nn.meta import without_weights


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


def anatomy(config: VLMConfig | ScorerConfig) -> Anatomy:
    """Count the parameters of a model that is described but not built."""
    if isinstance(config, VLMConfig):
        return count_parameters(build_on_meta(config))
    with without_weights():
        return count_parameters(config.build())


@lru_cache(maxsize=1)
def build_on_meta(config: VLMConfig) -> VLM:
    """The model with shapes but no weights, for looking only; the last one is kept."""
    with without_weights():
        return config.build().eval().requires_grad_(False)


def count_parameters(model: nn.Module) -> Anatomy:
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
