"""Attention pool: learned queries read the patches in a single cross-attention.

One layer, no residual, no feed-forward. In Qwen-VL each of the 256 queries carries the fixed
2-D position of its cell of a 16 x 16 grid, and so does each patch (the same table, resized to
the patch grid); positions enter queries and keys but never values. CoCa pools without positions.

    values  = norm(feature_projection(features))
    queries = norm(learned)
    tokens  = projection(norm(out(attend(query(queries + their positions),
                                         key(values + their positions),
                                         value(values)))))

Qwen-VL (section 2.1): https://arxiv.org/abs/2308.12966
CoCa (section 3.2): https://arxiv.org/abs/2205.01917
The position table is MAE's: https://arxiv.org/abs/2111.06377
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.connector.bounds import require_at_least
from triptych.errors import ConfigError
from triptych.nn.attention import attend
from triptych.shapes import Grid, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionPoolConfig:
    """What is free to choose; the working width is the language model's."""

    query_grid: tuple[int, int] = (16, 16)
    """Rows and columns of the learned queries, one token each. Without positions only their
    product matters."""

    num_heads: int = 32
    """Attention heads; they divide the language model's width."""

    positions: bool = True
    """Add fixed 2-D positions to queries and keys (Qwen-VL)."""

    feature_projection: bool = True
    """Bring the features to the language model's width before the norm (Qwen-VL); else keys
    and values read them at the vision width (CoCa)."""

    output_projection: bool = True
    """One more matrix after the last norm (Qwen-VL)."""

    norm_eps: float = 1e-6
    """Added to the variance under the root of all three norms."""

    def __post_init__(self) -> None:
        rows, cols = self.query_grid
        require_at_least(1, query_rows=rows, query_cols=cols, num_heads=self.num_heads)

    def num_tokens(self, grid: Grid) -> int:
        """The same for every grid."""
        rows, cols = self.query_grid
        return rows * cols

    def token_grid(self, grid: Grid) -> Grid | None:
        """None: a query's position is a hint; it may read any place of the picture."""
        return None

    def build(self, *, vision_dim: int, language_dim: int) -> "AttentionPool":
        """Make the module.

        Raises:
            ConfigError: the heads do not divide the language width, or positions do not fit it.
        """
        if language_dim % self.num_heads:
            raise ConfigError(
                f"num_heads={self.num_heads} does not divide the language width {language_dim}"
            )
        if self.positions and language_dim % 4:
            raise ConfigError(
                f"2-D positions need a language width that 4 divides, got {language_dim}"
            )
        return AttentionPool(self, vision_dim, language_dim)


def attention_pool_qwen_vl() -> AttentionPoolConfig:
    """Qwen-VL: 256 queries, 32 heads of 128, between ViT-bigG (1664) and Qwen-7B (4096)."""
    return AttentionPoolConfig()


def attention_pool_coca(num_queries: int, num_heads: int) -> AttentionPoolConfig:
    """CoCa: 256 queries for captions, or 1 for the contrastive embedding; no positions."""
    return AttentionPoolConfig(
        query_grid=(1, num_queries),
        num_heads=num_heads,
        positions=False,
        feature_projection=False,
        output_projection=False,
        norm_eps=1e-5,
    )


class AttentionPool(nn.Module):
    """Read each picture through learned queries, once."""

    def __init__(self, config: AttentionPoolConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        rows, cols = config.query_grid
        key_dim = language_dim if config.feature_projection else vision_dim
        self.queries = nn.Parameter(torch.empty(rows * cols, language_dim))
        self.feature_projection = (
            nn.Linear(vision_dim, key_dim, bias=False)
            if config.feature_projection
            else nn.Identity()
        )
        self.norm_queries = nn.LayerNorm(language_dim, eps=config.norm_eps)
        self.norm_features = nn.LayerNorm(key_dim, eps=config.norm_eps)
        self.query = nn.Linear(language_dim, language_dim)
        self.key = nn.Linear(key_dim, language_dim)
        self.value = nn.Linear(key_dim, language_dim)
        self.out = nn.Linear(language_dim, language_dim)
        self.norm = nn.LayerNorm(language_dim, eps=config.norm_eps)
        self.projection = (
            nn.Linear(language_dim, language_dim, bias=False)
            if config.output_projection
            else nn.Identity()
        )
        nn.init.trunc_normal_(self.queries, std=0.02)

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one picture of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        values = self.norm_features(self.feature_projection(features.sequence()))
        queries = self.norm_queries(self.queries)
        keys = values
        if self.config.positions:
            query_positions, key_positions = self.positions(features.grid)
            queries = queries + query_positions.to(queries)
            keys = values + key_positions.to(values)
        queries = queries.expand(values.shape[0], -1, -1)
        pooled = attend(
            self.split(self.query(queries)),
            self.split(self.key(keys)),
            self.split(self.value(values)),
        )
        joined = rearrange(pooled, "image head query d -> image query (head d)")
        return self.projection(self.norm(self.out(joined)))

    def positions(
        self, grid: Grid
    ) -> tuple[Float[Tensor, "query dim"], Float[Tensor, "position dim"]]:
        """Positions of the queries, and the same table resized to the patches of `grid`.

        Class tokens have no place, so they get zeros.
        """
        table = sincos_2d(*self.config.query_grid, self.out_dim, device=self.queries.device)
        cells = rearrange(resize_table(table, grid.rows, grid.cols), "row col d -> (row col) d")
        return rearrange(table, "row col d -> (row col) d"), F.pad(cells, (0, 0, grid.prefix, 0))

    def split(
        self, hidden: Float[Tensor, "image position dim"]
    ) -> Float[Tensor, "image head position head_dim"]:
        """One slice of the width a head."""
        return rearrange(hidden, "i p (head d) -> i head p d", head=self.config.num_heads)


def sincos_2d(
    rows: int, cols: int, dim: int, *, device: torch.device | None = None
) -> Float[Tensor, "row col dim"]:
    """Fixed positions of a grid: the first half of the width tells the column, the rest the row.

    Each half is sines, then cosines, of the index times 10000^(-2i/half).
    """
    half = dim // 2
    steps = torch.arange(half // 2, dtype=torch.float32, device=device)
    frequencies = 10000.0 ** (-steps / (half // 2))

    def waves(count: int) -> Float[Tensor, "index half"]:
        angles = torch.arange(count, device=device)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    by_col = waves(cols).expand(rows, cols, half)
    by_row = waves(rows)[:, None].expand(rows, cols, half)
    return torch.cat([by_col, by_row], dim=-1)


def resize_table(
    table: Float[Tensor, "row col dim"], rows: int, cols: int
) -> Float[Tensor, "new_row new_col dim"]:
    """Stretch a position table to another grid, bicubic; unchanged where it already fits."""
    if table.shape[:2] == (rows, cols):
        return table
    image = rearrange(table, "row col d -> 1 d row col")
    image = F.interpolate(image, size=(rows, cols), mode="bicubic", align_corners=False)
    return rearrange(image, "1 d row col -> row col d")
