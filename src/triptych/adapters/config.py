"""Which layers are adapted, and how much room the change has."""

from dataclasses import dataclass
from typing import cast

from triptych.errors import ConfigError
from triptych.fusion.vlm import PANELS
from triptych.nn.quantised import Bits

ALL = "all"
"""Every linear layer of a panel but the output head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters (LoRA) on linear layers, by panel.

    Of an adapted panel the adapters alone move, at the panel's learning rate. Panels without
    adapters move as a whole, as ever.
    """

    rank: int = 0
    """Width of the change: a layer gets rank x (inputs + outputs) weights. 0 for no adapters."""

    alpha: float = 16.0
    """The change counts alpha / rank times."""

    dropout: float = 0.0
    """Chance of dropping a number of what the change reads, while training."""

    vision: tuple[str, ...] = ()
    """Ends of the names of layers that are adapted, like `attention.query` or `down`, or `all`."""

    connector: tuple[str, ...] = ()
    """As of vision. Mostly better trained as a whole."""

    fusion: tuple[str, ...] = ()
    """As of vision."""

    language: tuple[str, ...] = (ALL,)
    """As of vision."""

    base_bits: Bits = "none"
    """What the linear layers of adapted panels are kept in, output heads excepted (QLoRA)."""

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ConfigError(f"rank must be at least 0, 0 for no adapters, got {self.rank}")
        if self.alpha <= 0:
            raise ConfigError(f"alpha must be above 0, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"the dropout of adapters must be in [0, 1), got {self.dropout}")
        if self.rank and not self.panels:
            raise ConfigError(
                "a rank is given, but no layer to adapt; write like language: [all] or [query]"
            )

    def of(self, panel: str) -> tuple[str, ...]:
        """Which layers of a panel are adapted, by the ends of their names."""
        return cast(tuple[str, ...], getattr(self, panel))

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels with adapters."""
        return tuple(panel for panel in PANELS if self.rank and self.of(panel))
