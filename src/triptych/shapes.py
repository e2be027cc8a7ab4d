"""The legend of axis names, and the tensors that cross a panel boundary.

    batch      sequences of tokens                 row, col    cells of one image's patch grid
    image      pictures of the whole batch         prefix      class tokens in front of the grid
    token      positions of a sequence             visual      visual tokens of one image
    query, key positions on the two sides of       head        attention heads
               an attention                        vocab       entries of the vocabulary
    *_dim      widths: vision_dim, language_dim, head_dim

Masks are boolean and True means keep (may be attended, is a real token). A video is a run of
images that share one grid, one image per temporal slice; a picture that is cut into tiles is a run
of images likewise, one per tile.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, cat
from torch.nn.functional import pad

Pixels: TypeAlias = Float[Tensor, "image *frame channel height width"]
"""Normalised pictures of one size. The frame axis exists only for encoders that fold several
video frames into one patch."""

VisualTokens: TypeAlias = Float[Tensor, "image visual language_dim"]
TokenIds: TypeAlias = Int[Tensor, "batch token"]
TokenMask: TypeAlias = Bool[Tensor, "batch token"]
Embeddings: TypeAlias = Float[Tensor, "batch token language_dim"]
HiddenStates: TypeAlias = Float[Tensor, "read_row read_token language_dim"]
"""Those of every token of a batch, or, as one row, those of the tokens that were wanted."""
Logits: TypeAlias = Float[Tensor, "batch token vocab"]
AttentionMask: TypeAlias = Bool[Tensor, "#batch #head #query key"]
PositionIds: TypeAlias = Int[Tensor, "*axis batch token"]
"""One position a token, or three (temporal, row, column) stacked in front for M-RoPE."""
Places: TypeAlias = tuple[Int[Tensor, " place"], Int[Tensor, " place"]]
"""Some tokens of a batch: the row of each, and its position in the row."""


class Grid(NamedTuple):
    """How the patches of one picture lie: rows and columns, plus class tokens in front."""

    rows: int
    cols: int
    prefix: int = 0

    @property
    def num_tokens(self) -> int:
        return self.rows * self.cols + self.prefix


@dataclass(frozen=True, slots=True)
class Tiles:
    """How one picture is cut into tiles of one size, each of which the vision panel sees alone.

    2 x 3, overview last:    0 1 2        seen whole (rows = cols = 0):    0
                             3 4 5   6
    """

    rows: int
    """Tiles in a column of the grid; 0 where the picture is only seen whole."""

    cols: int
    """Tiles in a row of the grid."""

    overview: Literal["first", "last"]
    """Where the tile that shows the whole picture stands among the others."""

    height: int
    """Of the picture itself, in pixels, before anything was done to it."""

    width: int
    """Likewise."""

    @property
    def num_tiles(self) -> int:
        """The grid's, row by row, and the overview."""
        return self.rows * self.cols + 1


@dataclass(frozen=True, slots=True)
class VisionFeatures:
    """What a vision panel says about pictures of one size."""

    cells: Float[Tensor, "image row col vision_dim"]
    """One vector a patch, in reading order on the grid."""

    prefix: Float[Tensor, "image prefix vision_dim"]
    """Vectors that belong to no cell (the class token); the axis may have length zero."""

    @property
    def grid(self) -> Grid:
        _, rows, cols, _ = self.cells.shape
        return Grid(rows, cols, self.prefix.shape[1])

    def sequence(self) -> Float[Tensor, "image position vision_dim"]:
        """Prefix first, then the cells row by row."""
        return cat([self.prefix, rearrange(self.cells, "i row col d -> i (row col) d")], dim=1)

    def as_rows(self) -> Float[Tensor, "image row_kept col vision_dim"]:
        """The cells as they lie, and above them, where there is a prefix, rows that begin with it.

        What is left of those rows is zero. So features of a picture are one tensor to keep.
        """
        num_cols, count = self.cells.shape[2], self.prefix.shape[1]
        if not count:
            return self.cells
        rows = -(-count // num_cols)
        above = pad(self.prefix, (0, 0, 0, rows * num_cols - count))
        return cat([rearrange(above, "i (row col) d -> i row col d", row=rows), self.cells], dim=1)

    @classmethod
    def from_rows(
        cls, rows: Float[Tensor, "image row_kept col vision_dim"], num_prefix: int
    ) -> "VisionFeatures":
        """What `as_rows` made one tensor of, knowing how long the prefix was."""
        num_above = -(-num_prefix // rows.shape[2])
        return cls(rows[:, num_above:], rows[:, :num_above].flatten(1, 2)[:, :num_prefix])
