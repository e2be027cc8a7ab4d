"""Merger: normalise each patch, fold 2 x 2 neighbours into one vector, then an MLP.

Qwen2-VL (section 2.1): https://arxiv.org/abs/2409.12191. Patches arrive here in reading order
and are folded on the grid; the published model orders them block by block beforehand, so its
merge is a plain view. Both give the same tokens in the same order.
"""

from dataclasses import dataclass

from torch import nn

from triptych.connector.bounds import require_at_least
from triptych.connector.fold import fold, folded_grid
from triptych.nn.mlp import MLP
from triptych.nn.norm import NormKind, make_norm
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class MergerConfig:
    """What is free to choose; the widths come from the neighbouring panels."""

    factor: int = 2
    """Side of the merged neighbourhood, in patches. Tokens fall by its square."""

    norm: NormKind = "layer"
    """LayerNorm in Qwen2-VL, RMSNorm in Qwen2.5-VL."""

    norm_eps: float = 1e-6
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

    def build(self, *, vision_dim: int, language_dim: int) -> "Merger":
        return Merger(self, vision_dim, language_dim)


class Merger(nn.Module):
    """Map each neighbourhood of normalised patches to one visual token."""

    def __init__(self, config: MergerConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        folded_dim = vision_dim * config.factor**2
        self.norm = make_norm(config.norm, vision_dim, config.norm_eps)
        self.mlp = MLP(folded_dim, folded_dim, "gelu", out_dim=language_dim)

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
        return self.mlp(fold(self.norm(features.cells), self.config.factor))
