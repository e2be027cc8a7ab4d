"""Where everything in a chart stands; `drawing` draws exactly this, `describe` tells it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from triptych.data.worlds.charts.facts import Cell, ChartFacts
from triptych.data.worlds.charts.palettes import PALETTE_COLOURS, THEME_COLOURS
from triptych.data.worlds.lettering import Ink, Lettering, largest_fitting, text_width
from triptych.geometry import Box, Point

LABEL_SIZE = 12
PRINTED_SIZE = 11
_MARGIN = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLayout:
    """A chart in pixels."""

    plot: Box
    """Between the axes, from 0 to the top of the scale; around the circle of a pie."""
    ticks: tuple[float, ...]
    """Where each step of the scale stands, from 0: a y, or an x when bars are horizontal."""
    bars: dict[Cell, Box]
    points: dict[Cell, Point]
    """The corners of lines."""
    slices: dict[Cell, tuple[float, float]]
    """First and last angle, in degrees clockwise from three o'clock."""
    swatches: tuple[tuple[Box, int], ...]
    """Keys of the legend, each with the number of its colour."""
    texts: tuple[Lettering, ...]


def lay_out(facts: ChartFacts) -> ChartLayout:
    """Place everything. A pure function of the facts."""
    keys: list[tuple[Box, int]] = []
    legend: list[Lettering] = []
    if facts.type == "pie":
        keys, legend = _side_legend(facts)
    elif len(facts.series) > 1:
        keys, legend = _top_legend(facts)
    plot = _pie_frame(facts, legend) if facts.type == "pie" else _frame(facts)
    bars = _place_bars(facts, plot) if facts.type in ("bar", "grouped") else {}
    points = _place_points(facts, plot) if facts.type == "line" else {}
    slices = _place_slices(facts) if facts.type == "pie" else {}
    axes = [] if facts.type == "pie" else _axis_labels(facts, plot)
    printed = list(_printed(facts, plot, bars, points, slices)) if facts.printed else []
    return ChartLayout(
        plot=plot,
        ticks=() if facts.type == "pie" else _ticks(facts, plot),
        bars=bars,
        points=points,
        slices=slices,
        swatches=tuple(keys),
        texts=(_title(facts), *legend, *axes, *printed),
    )


def colour_index(facts: ChartFacts, cell: Cell) -> int:
    """Which colour of the palette a mark has."""
    by_category = facts.type == "pie" or (facts.type == "bar" and facts.style.multicoloured)
    return cell[1] if by_category else cell[0]


def _line(facts: ChartFacts, text: str, x: float, y: float, anchor: str = "mm") -> Lettering:
    ink = THEME_COLOURS[facts.style.theme].ink
    return Lettering(
        text=text, x=x, y=y, anchor=anchor, font=facts.style.font, size=LABEL_SIZE, ink=ink
    )


def _width(facts: ChartFacts, text: str) -> float:
    return text_width(text, facts.style.font, LABEL_SIZE)


def _title(facts: ChartFacts) -> Lettering:
    name = {"serif": "serif-bold", "times": "times-bold", "roman": "times-bold"}
    font = name.get(facts.style.font, "sans-bold") if facts.style.bold_title else facts.style.font
    width = float(facts.size[0])
    return Lettering(
        text=facts.title,
        x=width / 2,
        y=13.0,
        anchor="mm",
        font=font,
        size=largest_fitting(facts.title, font, width - 8, (14, 13, 12, 11)),
        ink=THEME_COLOURS[facts.style.theme].ink,
    )


# -- legends --------------------------------------------------------------------------------------


def _top_legend(facts: ChartFacts) -> tuple[list[tuple[Box, int]], list[Lettering]]:
    """Names of the series in a row under the title."""
    widths = [_width(facts, name) + 14 for name in facts.series]
    gap = 12
    x = (facts.size[0] - sum(widths) - gap * (len(widths) - 1)) / 2
    keys: list[tuple[Box, int]] = []
    names: list[Lettering] = []
    for index, (name, width) in enumerate(zip(facts.series, widths, strict=True)):
        keys.append((Box(x, 28.0, x + 10, 38.0), index))
        names.append(_line(facts, name, x + 14, 33.0, "lm"))
        x += width + gap
    return keys, names


def _side_legend(facts: ChartFacts) -> tuple[list[tuple[Box, int]], list[Lettering]]:
    """Names of the slices one above the other on the right."""
    left = facts.size[0] - _MARGIN - max(_width(facts, name) for name in facts.categories)
    pitch = 20
    y = (facts.size[1] + 22 - pitch * (len(facts.categories) - 1)) / 2
    keys: list[tuple[Box, int]] = []
    names: list[Lettering] = []
    for index, name in enumerate(facts.categories):
        middle = float(round(y + pitch * index))
        keys.append((Box(left - 15, middle - 5, left - 5, middle + 5), index))
        names.append(_line(facts, name, left, middle, "lm"))
    return keys, names


# -- frames ---------------------------------------------------------------------------------------


def _frame(facts: ChartFacts) -> Box:
    width, height = facts.size
    top = 44.0 if len(facts.series) > 1 else 28.0
    bottom = height - _MARGIN - 16
    top_label = _width(facts, str(facts.scale.top))
    if facts.horizontal:
        left = _MARGIN + max(_width(facts, name) for name in facts.categories) + 6
        return Box(left, top, width - 8 - (26.0 if facts.printed else top_label / 2), bottom)
    return Box(_MARGIN + top_label + 6, top + (12 if facts.printed else 4), width - 8.0, bottom)


def _pie_frame(facts: ChartFacts, legend: list[Lettering]) -> Box:
    room = Box(8.0, 28.0, legend[0].x - 24, facts.size[1] - 8.0)
    radius = min(room.width, room.height) / 2
    x, y = room.centre.x, room.centre.y
    return Box(x - radius, y - radius, x + radius, y + radius)


def _along(facts: ChartFacts, plot: Box, value: int) -> float:
    """Where on the value axis a value stands."""
    share = value / facts.scale.top
    return plot.left + share * plot.width if facts.horizontal else plot.bottom - share * plot.height


def _slot(facts: ChartFacts, plot: Box, category_index: int) -> tuple[float, float]:
    """Where on the other axis a category begins and ends."""
    start, length = (plot.top, plot.height) if facts.horizontal else (plot.left, plot.width)
    pitch = length / len(facts.categories)
    return start + pitch * category_index, start + pitch * (category_index + 1)


def _ticks(facts: ChartFacts, plot: Box) -> tuple[float, ...]:
    scale = facts.scale
    return tuple(_along(facts, plot, scale.step * step) for step in range(scale.num_steps + 1))


def _axis_labels(facts: ChartFacts, plot: Box) -> list[Lettering]:
    ticks = [
        (str(facts.scale.step * step), place) for step, place in enumerate(_ticks(facts, plot))
    ]
    names = [
        (name, sum(_slot(facts, plot, index)) / 2) for index, name in enumerate(facts.categories)
    ]
    across, down = (ticks, names) if facts.horizontal else (names, ticks)
    return [
        *(_line(facts, text, x, plot.bottom + 12) for text, x in across),
        *(_line(facts, text, plot.left - 5, y, "rm") for text, y in down),
    ]


# -- marks ----------------------------------------------------------------------------------------


def _place_bars(facts: ChartFacts, plot: Box) -> dict[Cell, Box]:
    return {cell: _bar(facts, plot, cell) for cell in facts.cells}


def _bar(facts: ChartFacts, plot: Box, cell: Cell) -> Box:
    first, last = _slot(facts, plot, cell[1])
    breadth = (last - first) * facts.style.bar_share
    pitch = breadth / len(facts.series)
    start = (first + last - breadth) / 2 + pitch * cell[0]
    end = _along(facts, plot, facts.value(cell))
    if facts.horizontal:
        return Box(plot.left, start, end, start + pitch)
    return Box(start, end, start + pitch, plot.bottom)


def _place_points(facts: ChartFacts, plot: Box) -> dict[Cell, Point]:
    return {
        cell: Point(sum(_slot(facts, plot, cell[1])) / 2, _along(facts, plot, facts.value(cell)))
        for cell in facts.cells
    }


def _place_slices(facts: ChartFacts) -> dict[Cell, tuple[float, float]]:
    angle, total = facts.style.start, sum(facts.values[0])
    slices: dict[Cell, tuple[float, float]] = {}
    for cell in facts.cells:
        end = angle + 360 * facts.value(cell) / total
        slices[cell] = (angle, end)
        angle = end
    return slices


def _printed(
    facts: ChartFacts,
    plot: Box,
    bars: dict[Cell, Box],
    points: dict[Cell, Point],
    slices: dict[Cell, tuple[float, float]],
) -> Iterator[Lettering]:
    """Each value at its mark."""
    ink = THEME_COLOURS[facts.style.theme].ink
    for cell, bar in bars.items():
        if facts.horizontal:
            yield _value(facts, cell, Point(bar.right + 3, bar.centre.y), "lm", ink)
        else:
            yield _value(facts, cell, Point(bar.centre.x, bar.top - 7), "mm", ink)
    for cell, point in points.items():
        lift = 10 if _is_valley(facts, cell) else -10
        yield _value(facts, cell, Point(point.x, point.y + lift), "mm", ink)
    for cell, (first, last) in slices.items():
        angle, reach = math.radians((first + last) / 2), 0.36 * plot.width
        middle = plot.centre
        place = Point(middle.x + reach * math.cos(angle), middle.y + reach * math.sin(angle))
        yield _value(facts, cell, place, "mm", _ink_on(facts, cell))


def _value(facts: ChartFacts, cell: Cell, place: Point, anchor: str, ink: Ink) -> Lettering:
    return Lettering(
        text=str(facts.value(cell)),
        x=place.x,
        y=place.y,
        anchor=anchor,
        font=facts.style.font,
        size=PRINTED_SIZE,
        ink=ink,
    )


def _is_valley(facts: ChartFacts, cell: Cell) -> bool:
    """Whether the line comes down to a point and goes up again, or would cross a value above."""
    row, index = facts.values[cell[0]], cell[1]
    neighbours = [row[place] for place in (index - 1, index + 1) if 0 <= place < len(row)]
    return all(value > row[index] for value in neighbours)


def _ink_on(facts: ChartFacts, cell: Cell) -> Ink:
    red, green, blue = PALETTE_COLOURS[facts.style.palette][colour_index(facts, cell)]
    return (20, 20, 20) if 0.3 * red + 0.59 * green + 0.11 * blue > 130 else (255, 255, 255)
