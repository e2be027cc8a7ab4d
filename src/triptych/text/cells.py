"""Places as cells of a grid: how Kosmos-2 writes boxes.

Kosmos-2, section 2.1: https://arxiv.org/abs/2306.14824
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from triptych.errors import ConfigError
from triptych.geometry import Box, Point
from triptych.text.located import Located, Size
from triptych.text.marks import Segment


@dataclass(frozen=True, kw_only=True, slots=True)
class CellsConfig:
    """The cells of two corners on a grid laid over the picture, a special token each: Kosmos-2.

    <phrase> a cat</phrase><object><patch_index_0195><patch_index_0911></object>

    A cell is counted row by row. Reading takes the middle of each cell, but where both lie in one
    row or one column the outer edges, so that no box is without area.
    """

    side: int = 32
    """Cells in a row, and in a column."""
    cell: str = "<patch_index_{:04d}>"
    """The token of a cell, of whose number this is a format."""
    label_start: str = "<phrase>"
    """In front of a label."""
    label_end: str = "</phrase>"
    """Behind it."""
    box_start: str = "<object>"
    """In front of the two corners."""
    box_end: str = "</object>"
    """Behind them."""
    divider: str = "</delimiter_of_multi_objects/>"
    """Between two boxes of one label."""

    def __post_init__(self) -> None:
        marks = (self.label_start, self.label_end, self.box_start, self.box_end, self.divider)
        if self.side < 1 or not all(marks) or len(set(marks)) < 5 or "{" not in self.cell:
            raise ConfigError(
                f"cells need a side of at least 1, five different tokens and a format with a "
                f"number, got {self}"
            )

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """What the tokenizer must know."""
        marks = (self.label_start, self.label_end, self.box_start, self.box_end, self.divider)
        return (*marks, *(self.cell.format(index) for index in range(self.side**2)))

    @property
    def message_keys(self) -> Mapping[str, bool]:
        """What a message that asks for places says besides its text: that it does."""
        return {"grounded": True}

    def write(
        self, located: Located, width: int, height: int, seen: Size | None = None
    ) -> tuple[Segment, ...]:
        """The thing as the model writes it, for a picture of `width` x `height` pixels.

        In which size the model sees it does not matter. A point is written as the box of its cell;
        outside of the picture becomes its edge.
        """
        place, label = located.place, located.label
        if isinstance(place, Point):
            place = Box(place.x, place.y, place.x, place.y)
        col, row = self._first(place.left, width), self._first(place.top, height)
        last_col = max(col, self._last(place.right, width))
        last_row = max(row, self._last(place.bottom, height))
        corners = (row * self.side + col, last_row * self.side + last_col)
        cells = "".join(self.cell.format(index) for index in corners)
        written = Segment(f"{self.box_start}{cells}{self.box_end}", is_control=True)
        if not label:
            return (written,)
        return (
            Segment(f"{self.label_start} ", is_control=True),
            Segment(label, is_control=False),
            Segment(self.label_end, is_control=True),
            written,
        )

    def read(self, text: str, width: int, height: int, seen: Size | None = None) -> list[Located]:
        """The places in a text, special tokens included, in order; in pixels of the original.

        Several boxes may follow one label; whatever is malformed is skipped.
        """
        places: list[Located] = []
        for match in self._pattern().finditer(text):
            label = (match["label"] or "").strip()
            for pair in match["boxes"].split(self.divider):
                first, last = (int(number) for number in re.findall(r"\d+", pair))
                if max(first, last) < self.side**2:
                    places.append(Located(self._box(first, last, width, height), label))
        return places

    def _first(self, pixels: float, length: int) -> int:
        return min(self.side - 1, max(0, math.floor(pixels / length * self.side)))

    def _last(self, pixels: float, length: int) -> int:
        return min(self.side - 1, max(0, math.ceil(pixels / length * self.side - 1)))

    def _box(self, first: int, last: int, width: int, height: int) -> Box:
        rows, cols = (sorted(each) for each in zip(*map(self._cell, (first, last)), strict=True))
        is_thin = rows[0] == rows[1] or cols[0] == cols[1]
        inset, outset = (0.0, 1.0) if is_thin else (0.5, 0.5)
        return Box(
            (cols[0] + inset) / self.side * width,
            (rows[0] + inset) / self.side * height,
            (cols[1] + outset) / self.side * width,
            (rows[1] + outset) / self.side * height,
        )

    def _cell(self, index: int) -> tuple[int, int]:
        return divmod(index, self.side)

    def _pattern(self) -> re.Pattern[str]:
        start, end, opened, closed, divider = map(re.escape, self.special_tokens[:5])
        before, _, after = self.cell.partition("{")
        cell = f"{re.escape(before)}\\d{{1,9}}{re.escape(after.partition('}')[2])}"
        boxes = f"{cell}{cell}(?:{divider}{cell}{cell})*"
        label = f"(?:{start}(?P<label>[^<]*){end})?"
        return re.compile(f"{label}{opened}(?P<boxes>{boxes}){closed}")
