"""Windows: a grid of patches cut into squares that each attend to themselves alone.

    5 x 5 patches, windows of 3         a a a b b
                                        a a a b b
                                        a a a b b
                                        c c c d d
                                        c c c d d

Windows begin at the top left corner; those at the right and below may be smaller. All are computed
as one batch, the smaller ones filled up with patches that nobody sees.

Swin: https://arxiv.org/abs/2103.14030      Qwen2.5-VL, section 2.1: https://arxiv.org/abs/2502.13923
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from triptych.nn.rotary import Rotation
from triptych.shapes import Grid


class Windowed:
    """How blocks run on the windows of pictures of one size: their rotation and mask, made once."""

    def __init__(
        self,
        grid: Grid,
        side: int,
        rotation: Rotation | None,
        num_images: int,
        device: torch.device | str | None = None,
    ) -> None:
        """`rotation` is that of the whole grid, of one picture."""
        self.grid, self.side = grid, side
        self.mask = window_mask(grid, side, device)
        if self.mask is not None:
            self.mask = self.mask.repeat(num_images, 1, 1, 1)
        self.rotation = None
        if rotation is not None:
            cos, sin = (to_windows(part, grid, side).repeat(num_images, 1, 1) for part in rotation)
            self.rotation = cos, sin

    def run(
        self, block: nn.Module, hidden: Float[Tensor, "image position dim"]
    ) -> Float[Tensor, "image position dim"]:
        """The output of a block whose patches see their own window alone."""
        windows = to_windows(hidden, self.grid, self.side)
        windows = block(windows, rotation=self.rotation, mask=self.mask)
        return from_windows(windows, self.grid, self.side)


def to_windows(
    sequence: Float[Tensor, "image position dim"], grid: Grid, side: int
) -> Float[Tensor, "image_and_window position_in_window dim"]:
    """Patches in reading order cut into windows of `side` x `side`, picture by picture."""
    cells = rearrange(sequence, "image (row col) dim -> image row col dim", row=grid.rows)
    filled = pad(cells, (0, 0, 0, -grid.cols % side, 0, -grid.rows % side))
    return rearrange(
        filled, "image (row y) (col x) dim -> (image row col) (y x) dim", y=side, x=side
    )


def from_windows(
    windows: Float[Tensor, "image_and_window position_in_window dim"], grid: Grid, side: int
) -> Float[Tensor, "image position dim"]:
    """The patches in reading order again."""
    rows, cols = -(-grid.rows // side), -(-grid.cols // side)
    filled = rearrange(
        windows,
        "(image row col) (y x) dim -> image (row y) (col x) dim",
        row=rows,
        col=cols,
        y=side,
    )
    return rearrange(
        filled[:, : grid.rows, : grid.cols], "image row col dim -> image (row col) dim"
    )


def window_mask(
    grid: Grid, side: int, device: torch.device | str | None = None
) -> Bool[Tensor, "window 1 1 position_in_window"] | None:
    """Which places of each window hold a patch; None where all do."""
    if grid.rows % side == 0 and grid.cols % side == 0:
        return None
    places = torch.ones(1, grid.rows * grid.cols, 1, device=device)
    return rearrange(to_windows(places, grid, side) > 0, "window place 1 -> window 1 1 place")
