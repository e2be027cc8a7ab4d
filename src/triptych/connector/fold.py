"""Fold neighbouring patches into fewer, wider vectors; nothing is averaged or dropped.

Qwen2-VL calls it patch merging, InternVL and Idefics3 pixel shuffle. The order of the values
inside a folded vector is part of a checkpoint's meaning: reading order of the neighbourhood.

    a b | c d                        [a b e f]  [c d g h]
    e f | g h     folded by 2 is     [i j m n]  [k l o p]
    ----+----
    i j | k l
    m n | o p
"""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from triptych.errors import ShapeError
from triptych.shapes import Grid


def fold(
    cells: Float[Tensor, "image row col vision_dim"], factor: int
) -> Float[Tensor, "image visual folded_dim"]:
    """Gather each `factor` x `factor` neighbourhood into one vector, both in reading order."""
    return rearrange(cells, "i (row dr) (col dc) d -> i (row col) (dr dc d)", dr=factor, dc=factor)


def folded_grid(grid: Grid, factor: int) -> Grid:
    """How the folded vectors lie.

    Raises:
        ShapeError: the factor does not divide both sides of the grid, or class tokens stand in
            front of the grid (they have no neighbourhood).
    """
    if grid.prefix:
        raise ShapeError(
            f"a grid with {grid.prefix} class token(s) in front does not fold; let the vision "
            "encoder leave them out (keep_class_token=False) or choose an MLP connector"
        )
    if grid.rows % factor or grid.cols % factor:
        raise ShapeError(
            f"a {grid.rows} x {grid.cols} grid does not fold by {factor}; resize the picture so "
            f"that both sides are multiples of {factor} patches"
        )
    return Grid(grid.rows // factor, grid.cols // factor)
