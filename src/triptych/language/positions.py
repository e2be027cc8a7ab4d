"""How tokens know where they stand: four ways, each a configuration.

RotaryConfig             queries and keys turned, by one position or by time, row and column
LearnedPositionsConfig   learned vectors added to all embeddings (OPT)
TextPositionsConfig      learned vectors added to the embeddings of text alone (GIT)
SinusoidalConfig         fixed sines and cosines added to all embeddings (Kosmos-2)
"""

from dataclasses import dataclass
from typing import TypeAlias

from triptych.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class RotaryConfig:
    """Positions as rotations of queries and keys."""

    theta: float = 10_000.0
    """Base of the wavelengths; larger reaches further."""

    mrope_sections: tuple[int, int, int] | None = None
    """Frequencies that turn with time, row and column; None for one-dimensional positions."""

    tokens_per_second: float | None = None
    """Positions in time that a second of video takes (Qwen2.5-VL); None where every slice takes
    one, whatever its length."""

    def __post_init__(self) -> None:
        if self.theta <= 1:
            raise ConfigError(f"theta must be above 1, got {self.theta}")
        if self.tokens_per_second is not None and not (
            self.tokens_per_second > 0 and self.mrope_sections
        ):
            raise ConfigError(
                "tokens_per_second must be above 0 and needs mrope_sections, got "
                f"{self.tokens_per_second} and {self.mrope_sections}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedPositionsConfig:
    """Positions as learned vectors added to the embeddings."""

    max_positions: int
    """Positions the model can tell apart."""

    offset: int = 0
    """Unused rows in front of the table; 2 in OPT, where they once stood for padding."""

    def __post_init__(self) -> None:
        if self.max_positions < 1 or self.offset < 0:
            raise ConfigError(
                "learned positions need max_positions of at least 1 and an offset of at least 0, "
                f"got {self.max_positions} and {self.offset}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextPositionsConfig:
    """Learned vectors added to the embeddings of text alone, which are then normalised (GIT).

    Visual tokens have no position and take none: text counts from 0 wherever it stands.
    """

    max_positions: int
    """Positions the model can tell apart."""

    def __post_init__(self) -> None:
        if self.max_positions < 1:
            raise ConfigError(f"max_positions must be at least 1, got {self.max_positions}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SinusoidalConfig:
    """Positions as fixed sines and cosines added to the embeddings (Kosmos-2)."""

    offset: int = 2
    """The first token's position; lower ones once stood for padding."""

    def __post_init__(self) -> None:
        if self.offset < 0:
            raise ConfigError(f"offset must be at least 0, got {self.offset}")


Positions: TypeAlias = (
    RotaryConfig | LearnedPositionsConfig | TextPositionsConfig | SinusoidalConfig
)
"""Every way in which tokens know where they stand."""
