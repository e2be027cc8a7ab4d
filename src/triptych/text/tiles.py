"""The words around the tiles of a picture: rows, columns, and which one is the whole picture.

    1 x 2 tiles and the overview, every [] the slots of one tile

    Idefics3    <fake_token_around_image><row_1_col_1>[]<fake_token_around_image><row_1_col_2>[]\\n
                \\n<fake_token_around_image><global-img>[]<fake_token_around_image>
    InternVL    <img>[][][]</img>

Which words these are follows from the geometry alone, so a picture's room in the sequence is known
before any pixel is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from triptych.shapes import Tiles
from triptych.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class TileTextConfig:
    """What is written around the tiles of a picture; special tokens where it spells them.

    A piece should begin or end with a special token where it touches the text of the conversation,
    which is tokenised apart.
    """

    before: str = ""
    """In front of everything."""

    tile: str = ""
    """In front of each tile of the grid; `{row}` and `{col}` are its place, counted from 1."""

    row_end: str = ""
    """Behind each row of the grid."""

    grid_end: str = ""
    """Behind the grid, where there is one."""

    overview: str = ""
    """In front of the tile that shows the whole picture."""

    after: str = ""
    """Behind everything."""

    def around(self, tiles: Tiles, tokenizer: Tokenizer) -> list[list[int]]:
        """Token ids in front of each tile, in the order of the tiles, and behind the last."""
        texts = self._in_front(tiles)
        return [_token_ids(text, tokenizer) for text in texts]

    def _in_front(self, tiles: Tiles) -> list[str]:
        grid = list(self._of_grid(tiles))
        if tiles.overview == "first":
            texts = [self.overview, *grid]
        else:
            texts = [*grid[:-1], grid[-1] + self.overview, ""]
        return [self.before + texts[0], *texts[1:-1], texts[-1] + self.after]

    def _of_grid(self, tiles: Tiles) -> Iterator[str]:
        """What stands in front of each tile of the grid, and behind the last."""
        ended = ""
        for row in range(1, tiles.rows + 1):
            for col in range(1, tiles.cols + 1):
                yield ended + self.tile.format(row=row, col=col)
                ended = ""
            ended = self.row_end
        yield ended + (self.grid_end if tiles.rows else "")


def _token_ids(text: str, tokenizer: Tokenizer) -> list[int]:
    ids: list[int] = []
    for piece, is_special in tokenizer.split_control(text):
        # In front of a text stands a special token of its own or the slots of a tile.
        ids += (
            [tokenizer.special(piece)] if is_special else tokenizer.encode(piece, before="special")
        )
    return ids
