r"""What every cell of a drawn picture shows: the things that cover it, the letters in it.

A cell is the part of a picture that becomes one visual token. Knowing what is in each is a far
denser lesson than questions about the whole:

    +----+----+----+
    |    | /\ |    |     the cells of the triangle: small striped red triangle
    |    |/__\| A B|     the cell of the letters:   A, then B
    +----+----+----+     all others:                nothing
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from triptych.data.worlds.fonts import font
from triptych.data.worlds.lettering import Lettering, font_size
from triptych.data.worlds.objects import Thing, box_of, loops_of
from triptych.geometry import Box, Point, Polygon
from triptych.shapes import Grid

LEAST_SHARE = 0.04
"""A thing that covers less of a cell is not seen in it."""

_FINER = 14
"""Samples along each side of a cell by which it is told what covers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingMark:
    """Something with an outline."""

    words: tuple[str, ...]
    """What is said of it, in any order."""
    outline: Polygon
    """Its corners, in pixels."""
    hole: Polygon = ()
    """Corners of a hole in it, if it has one."""
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterMark:
    """One letter, digit or sign; blanks are none."""

    letter: str
    middle: Point
    line: int
    """Which line of text it belongs to, counted over the picture."""


Mark: TypeAlias = ThingMark | LetterMark


@dataclass(frozen=True, slots=True, kw_only=True)
class CellContent:
    """What one cell shows."""

    words: tuple[str, ...] = ()
    """Of the thing that covers most of it; none where no thing does."""
    edges: tuple[float, float, float, float] | None = None
    """Left, top, right and bottom of that thing's box from the middle of the cell, in cells."""
    letters: tuple[str, ...] = ()
    """The letters whose middle lies in it, line by line."""


def mark_thing(thing: Thing) -> ThingMark:
    """A coloured object, by its size, texture, colour and shape."""
    outer, *holes = loops_of(thing)
    return ThingMark(
        words=(thing.size, thing.texture, thing.colour, thing.shape),
        outline=outer,
        hole=holes[0] if holes else (),
        box=box_of(thing),
    )


def mark_box(box: Box, *words: str) -> ThingMark:
    """Something upright and rectangular."""
    return ThingMark(words=words, outline=box.corners, box=box)


def mark_lettering(line: Lettering, number: int) -> list[LetterMark]:
    """The letters of a line of text, each in the middle of its room; `number` tells lines apart."""
    face, box = font(line.font, font_size(line.font, line.size)), line.box
    return mark_letters(line.text, face, box.left, (box.top + box.bottom) / 2, number)


def mark_letters(
    text: str, face: ImageFont.FreeTypeFont, left: float, middle: float, number: int
) -> list[LetterMark]:
    """The letters of a text that begins at `left`, its middle at the height `middle`."""
    ends = [left + face.getlength(text[:count]) for count in range(len(text) + 1)]
    return [
        LetterMark(letter=letter, middle=Point((ends[i] + ends[i + 1]) / 2, middle), line=number)
        for i, letter in enumerate(text)
        if not letter.isspace()
    ]


def cell_contents(marks: Sequence[Mark], size: tuple[int, int], grid: Grid) -> list[CellContent]:
    """What the cells of a picture of this width and height show, row by row.

    Later things lie on top of earlier ones.
    """
    things = [mark for mark in marks if isinstance(mark, ThingMark)]
    cell = size[0] / grid.cols, size[1] / grid.rows
    letters = _letters(marks, grid, cell)
    return [
        CellContent(
            words=thing.words if thing else (),
            edges=_edges(thing.box, index, grid, cell) if thing else None,
            letters=letters.get(index, ()),
        )
        for index, thing in enumerate(_covering(things, size, grid))
    ]


def _edges(
    box: Box, index: int, grid: Grid, cell: tuple[float, float]
) -> tuple[float, float, float, float]:
    """The sides of a box from the middle of a cell, in cells."""
    x, y = index % grid.cols + 0.5, index // grid.cols + 0.5
    wide, high = cell
    return box.left / wide - x, box.top / high - y, box.right / wide - x, box.bottom / high - y


def _covering(
    things: Sequence[ThingMark], size: tuple[int, int], grid: Grid
) -> list[ThingMark | None]:
    """The thing that covers most of each cell, if one does."""
    fine = _painted(things, size).resize(
        (grid.cols * _FINER, grid.rows * _FINER), Image.Resampling.NEAREST
    )
    blocks = np.asarray(fine).reshape(grid.rows, _FINER, grid.cols, _FINER).swapaxes(1, 2)
    cells = blocks.reshape(grid.rows * grid.cols, -1)
    counts = np.stack([(cells == number).sum(axis=1) for number in range(len(things) + 1)])
    counts[0] = LEAST_SHARE * cells.shape[1]
    return [things[number - 1] if number else None for number in counts.argmax(axis=0)]


def _painted(things: Sequence[ThingMark], size: tuple[int, int]) -> Image.Image:
    """A picture whose pixels are the numbers of the things."""
    canvas = Image.new("L", size)
    for number, thing in enumerate(things, start=1):
        if not thing.hole:
            ImageDraw.Draw(canvas).polygon(_corners(thing.outline), number)
            continue
        mask = Image.new("L", size)
        pen = ImageDraw.Draw(mask)
        pen.polygon(_corners(thing.outline), 255)
        pen.polygon(_corners(thing.hole), 0)
        canvas.paste(number, (0, 0), mask)
    return canvas


def _corners(polygon: Polygon) -> list[tuple[float, float]]:
    return [(point.x, point.y) for point in polygon]


def _letters(
    marks: Sequence[Mark], grid: Grid, cell: tuple[float, float]
) -> dict[int, tuple[str, ...]]:
    """The letters of each cell that has any, in reading order."""
    found: dict[int, list[LetterMark]] = {}
    for mark in marks:
        if isinstance(mark, LetterMark):
            col, row = int(mark.middle.x // cell[0]), int(mark.middle.y // cell[1])
            if 0 <= row < grid.rows and 0 <= col < grid.cols:
                found.setdefault(row * grid.cols + col, []).append(mark)
    return {
        index: tuple(m.letter for m in sorted(own, key=lambda m: (m.line, m.middle.x)))
        for index, own in found.items()
    }
