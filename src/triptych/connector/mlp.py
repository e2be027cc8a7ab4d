"""MLP: two matrices with a GELU between map each patch feature to the language model's width.

LLaVA-1.5 replaced LLaVA's single matrix by this (section 3.2) and every score rose:
https://arxiv.org/abs/2310.03744. MiniVLM, a tutorial model, normalises between the two.
"""

from dataclasses import dataclass

from torch import nn

from triptych.nn.mlp import Activation, activate
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class MLPConfig:
    """What is free to choose; both matrices put out the language model's width."""

    activation: Activation = "gelu"
    """Function between the matrices; LLaVA-1.5's is the exact (erf) GELU even beside CLIP's
    quick_gelu."""

    norm: bool = False
    """Layer norm after the activation, before the second matrix (MiniVLM)."""

    norm_eps: float = 1e-5
    """Added to the variance under that norm's root."""

    dropout: float = 0.0
    """Share of the incoming features' numbers dropped in training, for small data sets."""

    def num_tokens(self, grid: Grid) -> int:
        """Every class token and every patch stays a token."""
        return grid.num_tokens

    def token_grid(self, grid: Grid) -> Grid:
        """The tokens lie as the patches did."""
        return grid

    def build(self, *, vision_dim: int, language_dim: int) -> "MLP":
        return MLP(self, vision_dim, language_dim)


def mlp_llava_1_5() -> MLPConfig:
    """LLaVA-1.5: 20,979,712 parameters between CLIP ViT-L (1024) and a 7B model (4096)."""
    return MLPConfig()


def mlp_minivlm() -> MLPConfig:
    """MiniVLM: 1,908,480 parameters between ViT-L/16 (1024) and SmolLM-360M (960)."""
    return MLPConfig(norm=True)


class MLP(nn.Module):
    """Map every feature, class tokens first, through matrix, activation, matrix."""

    def __init__(self, config: MLPConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        self.dropout = nn.Dropout(config.dropout)
        self.up = nn.Linear(vision_dim, language_dim)
        self.norm = (
            nn.LayerNorm(language_dim, eps=config.norm_eps) if config.norm else nn.Identity()
        )
        self.down = nn.Linear(language_dim, language_dim)

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        hidden = self.up(self.dropout(features.sequence()))
        hidden = activate(hidden, self.config.activation)
        return self.down(self.norm(hidden))
