"""AnyRes: an MLP for every patch, then the tiles of a picture are put together again.

    2 x 2 tiles of 2 x 2 patches,    laid out as      without padding,
    overview w first                 the picture was  a new line n behind every row

    w w | a a | b b | c c | d d      a a b b
    w w | a a | b b | c c | d d      a a b b          a a b b n
                                     c c d d          c c d d n
                                     c c d d

    tokens: w w w w  a a b b n  c c d d n

Where the canvas is wider or taller than the picture, the rows or columns of its padding are left
out again, as many on both sides; an odd one stays. The new line is a learned vector.

LLaVA-NeXT (1.6): https://llava-vl.github.io/blog/2024-01-30-llava-next/
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from triptych.connector.mlp import MLP, MLPConfig
from triptych.errors import ShapeError
from triptych.nn.mlp import Activation
from triptych.shapes import Grid, Tiles, VisionFeatures, VisualTokens


@dataclass(frozen=True, kw_only=True, slots=True)
class AnyResConfig:
    """What is free to choose; the widths come from the neighbouring panels."""

    activation: Activation = "gelu"
    """Function between the matrices."""

    def num_tokens(self, grid: Grid) -> int:
        """Every patch of one tile stays a token."""
        return grid.num_tokens

    def token_grid(self, grid: Grid) -> Grid:
        """The tokens of one tile lie as its patches did."""
        return grid

    def num_tokens_of_tiles(self, grid: Grid, tiles: Tiles) -> int:
        """Visual tokens one picture becomes whose tiles have `grid` patches each.

        Raises:
            ShapeError: class tokens stand in front of the grid, which have no place in a picture.
        """
        rows, cols = unpadded(grid, tiles)
        return grid.num_tokens + len(rows) * (len(cols) + 1)

    def build(self, *, vision_dim: int, language_dim: int) -> "AnyRes":
        return AnyRes(self, vision_dim, language_dim)


class AnyRes(nn.Module):
    """Map every patch; put the tiles of a picture together with a new line behind every row."""

    def __init__(self, config: AnyResConfig, vision_dim: int, language_dim: int) -> None:
        super().__init__()
        self.config = config
        self.out_dim = language_dim
        self.mlp = MLP(MLPConfig(activation=config.activation), vision_dim, language_dim)
        self.newline = nn.Parameter(torch.empty(language_dim).normal_(std=language_dim**-0.5))

    def num_tokens(self, grid: Grid) -> int:
        """Visual tokens one tile of `grid` patches becomes."""
        return self.config.num_tokens(grid)

    def forward(self, features: VisionFeatures) -> VisualTokens:
        """Tokens of every tile by itself."""
        return self.mlp(features)

    def join(
        self, tokens: Float[Tensor, "tile visual language_dim"], grid: Grid, tiles: Tiles
    ) -> Float[Tensor, "_visual language_dim"]:
        """Tokens of one picture, made of those of its tiles.

        Raises:
            ShapeError: class tokens stand in front of the grid, or there are other tiles than
                `tiles` says.
        """
        return regrid(tokens, grid, tiles, self.newline)


def unpadded(grid: Grid, tiles: Tiles) -> tuple[range, range]:
    """Rows and columns of all patches of the tiles together that show the picture, not padding.

    The published arithmetic, in which rounding to seven digits decides about whole rows.

    Raises:
        ShapeError: class tokens stand in front of the grid.
    """
    if grid.prefix:
        raise ShapeError(
            f"tiles with {grid.prefix} class token(s) cannot be put together; let the vision "
            "encoder leave them out (keep_class_token=False)"
        )
    rows, cols = tiles.rows * grid.rows, tiles.cols * grid.cols
    if not rows:
        return range(0), range(0)
    if tiles.width / tiles.height > cols / rows:
        padding = (rows - int(round(tiles.height * (cols / tiles.width), 7))) // 2
        return range(padding, rows - padding), range(cols)
    padding = (cols - int(round(tiles.width * (rows / tiles.height), 7))) // 2
    return range(rows), range(padding, cols - padding)


def regrid(
    tokens: Float[Tensor, "tile visual language_dim"],
    grid: Grid,
    tiles: Tiles,
    newline: Float[Tensor, " language_dim"],
) -> Float[Tensor, "_visual language_dim"]:
    """The overview's tokens, then those of the grid of tiles, row by row over all tiles.

    Raises:
        ShapeError: class tokens stand in front of the grid, or there are other tiles than `tiles`
            says.
    """
    if len(tokens) != tiles.num_tiles or tiles.overview != "first":
        raise ShapeError(
            f"{len(tokens)} tiles came for a picture of {tiles.num_tiles}, overview "
            f"{tiles.overview}; tiles are put together for pictures whose overview comes first"
        )
    rows, cols = unpadded(grid, tiles)
    overview, *others = tokens
    if not others:
        return overview
    laid_out = rearrange(
        torch.stack(others),
        "(row col) (y x) dim -> (row y) (col x) dim",
        row=tiles.rows,
        y=grid.rows,
    )
    shown = laid_out[rows.start : rows.stop, cols.start : cols.stop]
    lines = torch.cat([shown, newline.to(shown.dtype).expand(len(rows), 1, -1)], dim=1)
    return torch.cat([overview, lines.flatten(0, 1)])
