"""Linear: one matrix maps each patch feature to the language model's width.

LLaVA (v1, section 4.1): https://arxiv.org/abs/2304.08485
PaliGemma (section 3.1): https://arxiv.org/abs/2407.07726
"""

from dataclasses import dataclass

from torch import nn

from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearConfig:
    """What is free to choose; the widths come from the neighbouring panels."""

    bias: bool = True
    """Add a learned offset (LLaVA and PaliGemma do)."""

    def num_tokens(self, grid: Grid) -> int:
        """Every class token and every patch stays a token."""
        return grid.num_tokens

    def token_grid(self, grid: Grid) -> Grid:
        """The tokens lie as the patches did."""
        return grid

    def build(self, *, vision_dim: int, language_dim: int) -> "Linear":
        return Linear(self, vision_dim, language_dim)


class Linear(nn.Module):
    """Map every feature, class tokens first, through one matrix."""

    def __init__(self, config: LinearConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        self.projection = nn.Linear(vision_dim, language_dim, bias=config.bias)

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        return self.projection(features.sequence())
