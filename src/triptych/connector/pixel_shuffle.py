"""Pixel shuffle: fold neighbouring patches into fewer, wider vectors, normalise, then an MLP.

A 32 x 32 patch grid would take 1,024 positions of the language model's context; folding each
2 x 2 neighbourhood leaves 256 and discards nothing. Unlike Qwen2-VL's merger the norm comes
after the fold, over the whole neighbourhood.

InternVL 1.5 (section 3.1): https://arxiv.org/abs/2404.16821. Its second pixel shuffle
(`ps_version` v2); the first one returned the tokens transposed.
"""

from dataclasses import dataclass

from torch import nn

from triptych.connector.bounds import require_at_least
from triptych.connector.fold import fold, folded_grid
from triptych.nn.mlp import MLP
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelShuffleConfig:
    """What is free to choose; the widths come from the neighbouring panels."""

    factor: int = 2
    """Side of the folded neighbourhood, in patches. Tokens fall by its square."""

    norm_eps: float = 1e-5
    """Added to the variance under the norm's root."""

    def __post_init__(self) -> None:
        require_at_least(1, factor=self.factor)

    def num_tokens(self, grid: Grid) -> int:
        """One token a neighbourhood.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        return self.token_grid(grid).num_tokens

    def token_grid(self, grid: Grid) -> Grid:
        """The tokens lie as the neighbourhoods did.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        return folded_grid(grid, self.factor)

    def build(self, *, vision_dim: int, language_dim: int) -> "PixelShuffle":
        return PixelShuffle(self, vision_dim, language_dim)


class PixelShuffle(nn.Module):
    """Map each neighbourhood, normalised as a whole, to one visual token."""

    def __init__(self, config: PixelShuffleConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        folded_dim = vision_dim * config.factor**2
        self.norm = nn.LayerNorm(folded_dim, eps=config.norm_eps)
        self.mlp = MLP(folded_dim, language_dim, "gelu", out_dim=language_dim)

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        """Fold and map the pictures.

        Raises:
            ShapeError: the grid does not fold, see `folded_grid`.
        """
        folded_grid(features.grid, self.config.factor)
        return self.mlp(self.norm(fold(features.cells, self.config.factor)))
