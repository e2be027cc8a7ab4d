"""Latent queries: learned vectors that read a picture, and each other, by attention, once.

    features -> (length one) -> linear -> f      queries q attend to [f ; q] -> visual tokens

No residual, norm or feed-forward layer follows. Kosmos-2 (section 2.2) has 64 such queries between
CLIP and its decoder: https://arxiv.org/abs/2306.14824; Kosmos-1: https://arxiv.org/abs/2302.14045.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from triptych.connector.bounds import require_at_least
from triptych.errors import ConfigError
from triptych.nn.attention import Attention
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentQueriesConfig:
    """What is free to choose; the widths come from the neighbouring panels. Defaults: Kosmos-2."""

    num_queries: int = 64
    """Visual tokens a picture becomes, whatever its size."""

    num_heads: int = 32
    """Attention heads; they divide the language width."""

    normalise: bool = True
    """Bring every feature to length one first."""

    scale: bool = True
    """Multiply the visual tokens by the root of the language width, for a language model that does
    so with the embeddings of its tokens."""

    def __post_init__(self) -> None:
        require_at_least(1, num_queries=self.num_queries, num_heads=self.num_heads)

    def num_tokens(self, grid: Grid) -> int:
        """The same for every grid."""
        return self.num_queries

    def token_grid(self, grid: Grid) -> Grid | None:
        """None: a query may read any place of the picture."""
        return None

    def build(self, *, vision_dim: int, language_dim: int) -> "LatentQueries":
        """Make the module.

        Raises:
            ConfigError: the heads do not divide the language width.
        """
        if language_dim % self.num_heads:
            raise ConfigError(
                f"num_heads={self.num_heads} does not divide the language width {language_dim}"
            )
        return LatentQueries(self, vision_dim, language_dim)


class LatentQueries(nn.Module):
    """Read each picture through learned queries."""

    def __init__(self, config: LatentQueriesConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        self.queries = nn.Parameter(torch.empty(config.num_queries, language_dim))
        self.projection = nn.Linear(vision_dim, language_dim)
        self.attention = Attention(language_dim, config.num_heads, qkv_bias=True, out_bias=True)
        nn.init.normal_(self.queries, std=1.0)

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        sequence = features.sequence()
        if self.config.normalise:
            sequence = functional.normalize(sequence, dim=-1)
        projected = self.projection(sequence)
        queries = self.queries.expand(len(projected), -1, -1)
        read = self.attention(queries, context=torch.cat([projected, queries], dim=1))
        return read * math.sqrt(self.out_dim) if self.config.scale else read
