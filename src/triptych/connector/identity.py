"""Identity: visual features that already have the language model's width pass unchanged.

For encoders trained together with their language model (or frozen features stored at its width),
and as the control that shows what a learned connector adds.
"""

from dataclasses import dataclass

from torch import nn

from triptych.errors import ConfigError
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityConfig:
    """Nothing is free to choose."""

    def num_tokens(self, grid: Grid) -> int:
        """Every class token and every patch stays a token."""
        return grid.num_tokens

    def token_grid(self, grid: Grid) -> Grid:
        """The tokens lie as the patches did."""
        return grid

    def build(self, *, vision_dim: int, language_dim: int) -> "Identity":
        """Make the module.

        Raises:
            ConfigError: the two widths differ.
        """
        if vision_dim != language_dim:
            raise ConfigError(
                f"an identity connector needs equal widths, but vision has {vision_dim} and "
                f"language {language_dim}; choose a linear connector"
            )
        return Identity(self, language_dim)


class Identity(nn.Module):
    """Hand the features on as visual tokens, class tokens first."""

    def __init__(self, config: IdentityConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = dim

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        return features.sequence()
