"""Linear: one matrix maps each patch feature to the language model's width.

LLaVA (v1, section 4.1): https://arxiv.org/abs/2304.08485
PaliGemma (section 3.1): https://arxiv.org/abs/2407.07726
GIT (section 3.1), which normalises what comes out: https://arxiv.org/abs/2205.14100
Idefics3 (section 3.1), which folds neighbouring patches into one first:
https://arxiv.org/abs/2408.12637
"""

from dataclasses import dataclass

from torch import nn

from triptych.connector.bounds import require_at_least
from triptych.connector.fold import fold, folded_grid
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearConfig:
    """What is free to choose; the widths come from the neighbouring panels."""

    bias: bool = True
    """Add a learned offset (LLaVA and PaliGemma do)."""

    factor: int = 1
    """Side of the neighbourhood folded into one vector first, in patches. Idefics3 and SmolVLM
    have nothing but this fold and the matrix; InternVL's `PixelShuffleConfig` adds a norm and a
    second matrix."""

    norm_eps: float | None = None
    """Normalise what the matrix put out, adding this to the variance (GIT); None for no norm."""

    def __post_init__(self) -> None:
        require_at_least(1, factor=self.factor)

    def num_tokens(self, grid: Grid) -> int:
        """Every class token and every patch stays a token; or one token a neighbourhood.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        return self.token_grid(grid).num_tokens

    def token_grid(self, grid: Grid) -> Grid:
        """The tokens lie as the patches or the neighbourhoods did.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        return grid if self.factor == 1 else folded_grid(grid, self.factor)

    def build(self, *, vision_dim: int, language_dim: int) -> "Linear":
        return Linear(self, vision_dim, language_dim)


class Linear(nn.Module):
    """Map every feature, class tokens first, or every neighbourhood through one matrix."""

    def __init__(self, config: LinearConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        folded_dim = vision_dim * config.factor**2
        self.projection = nn.Linear(folded_dim, language_dim, bias=config.bias)
        self.norm = (
            None if config.norm_eps is None else nn.LayerNorm(language_dim, eps=config.norm_eps)
        )

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        """Fold, where that is asked for, map, and normalise likewise.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        if self.config.factor == 1:
            tokens = self.projection(features.sequence())
        else:
            self.config.token_grid(features.grid)
            tokens = self.projection(fold(features.cells, self.config.factor))
        return tokens if self.norm is None else self.norm(tokens)
