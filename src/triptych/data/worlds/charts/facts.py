"""What a chart shows, and how such facts are made up, changed and dressed differently.

Values are kept apart: within a series and within a category no two are closer than a gap that can
be seen. Where values are not printed they lie on fifths (or quarters) of the distance between
two ticks, so that a careful reader can be exact.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Literal, TypeAlias

from triptych.data.worlds.charts.words import AXES, MEASURES, PLACES, SERIES, TITLES, Axis
from triptych.data.worlds.held_out import pair_is_held_out, stable_share, words_for
from triptych.data.worlds.lettering import text_width
from triptych.data.worlds.wording import Split

ChartType: TypeAlias = Literal["bar", "grouped", "line", "pie"]
Trend: TypeAlias = Literal["rising", "falling", "neither"]
Values: TypeAlias = tuple[tuple[int, ...], ...]
"""For each series, one value for each category."""
Cell: TypeAlias = tuple[int, int]
"""Index of the series and of the category."""

CHART_TYPES: tuple[ChartType, ...] = ("bar", "grouped", "line", "pie")
TRENDS: tuple[Trend, ...] = ("rising", "falling", "neither")
SIZES = ((252, 224), (280, 224), (308, 252))
"""Width and height in pixels; whole tokens of 28."""
THEMES = ("white", "cream", "mist", "mint", "rose", "night")
PALETTES = ("plain", "deep", "warm", "cool", "pastel", "print")
CHART_FONTS = ("sans", "sans-oblique", "serif", "times", "roman", "grotesque")

_FINEST = {5: 1, 10: 2, 20: 5, 25: 5, 50: 10, 100: 20}
# From the distance of two ticks to what values are multiples of when they are not printed.
_GAP_SHARE = 0.04
# Smallest distance of two values, as a share of the axis: 5 pixels of 130.
_LOWEST_SHARE = 0.12
# Smallest value, as a share of the axis.
_SMALLEST_SLICE = 0.07
# Of a pie; room for two digits.


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from 0, with a tick every `step`."""

    step: int
    num_steps: int

    @property
    def top(self) -> int:
        return self.step * self.num_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartStyle:
    """Everything that no question asks about."""

    theme: str
    palette: str
    font: str
    bold_title: bool
    grid: bool
    multicoloured: bool
    """Each bar of a single series in its own colour."""
    bar_share: float
    """How much of its slot a bar, or a group of bars, takes."""
    start: float
    """Where the first slice of a pie begins, in degrees clockwise from three o'clock."""
    grain: int
    """How much pixels are off, of 255."""
    grain_seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartFacts:
    """One chart."""

    type: ChartType
    horizontal: bool
    printed: bool
    """Whether each value is written at its mark."""
    size: tuple[int, int]
    title: str
    measure: str
    noun: str
    """What a category is called."""
    categories: tuple[str, ...]
    series_noun: str
    """What a series is called; empty when there is one."""
    series: tuple[str, ...]
    values: Values
    scale: Scale
    style: ChartStyle

    @property
    def readable(self) -> bool:
        """Whether numbers can be read off; a pie has none unless they are printed."""
        return self.printed or self.type != "pie"

    @property
    def cells(self) -> list[Cell]:
        return [(s, c) for s in range(len(self.series)) for c in range(len(self.categories))]

    def value(self, cell: Cell) -> int:
        return self.values[cell[0]][cell[1]]

    def trend(self, series_index: int) -> Trend:
        """Whether a series goes up at every step, down at every step, or neither."""
        return trend_of(self.values[series_index])


def trend_of(values: tuple[int, ...]) -> Trend:
    """Whether values go up at every step, down at every step, or neither."""
    ups = [later > earlier for earlier, later in pairwise(values)]
    return "rising" if all(ups) else "neither" if any(ups) else "falling"


# -- composing ------------------------------------------------------------------------------------


def compose_chart(rng: Random, split: Split, prior: float) -> ChartFacts:
    """Fresh facts. The planted association: the same fruit, city, ... is always the highest."""
    kind = rng.choice(CHART_TYPES)
    axis, measure = _choose_subject(rng, kind, split)
    num_series = {"bar": 1, "pie": 1, "grouped": rng.choice((2, 3)), "line": rng.choice((1, 1, 2))}
    size = rng.choice(SIZES)
    names, horizontal = _choose_categories(rng, kind, axis, split, size[0])
    series_axis = rng.choice(SERIES)
    single = num_series[kind] == 1
    # Values over more than nine bars side by side would touch.
    roomy = num_series[kind] * len(names) <= 9
    shares = {"bar": 0.4, "grouped": 0.4 * roomy, "line": 0.4 * single, "pie": 0.8}
    printed = rng.random() < shares[kind]
    scale = _choose_scale(rng, small=kind == "pie" or (kind == "grouped" and printed))
    values = _choose_values(rng, kind, (num_series[kind], len(names)), scale, printed)
    if kind != "line" and rng.random() < prior:
        values = _plant(values, names)
    series = rng.sample(words_for(series_axis.words, split, 0.4), num_series[kind])
    return ChartFacts(
        type=kind,
        horizontal=horizontal,
        printed=printed,
        size=size,
        title=_choose_title(rng, measure, axis.noun, split),
        measure=measure,
        noun=axis.noun,
        categories=names,
        series_noun="" if single else series_axis.noun,
        series=("",) if single else tuple(series),
        values=values,
        scale=scale,
        style=_choose_style(rng),
    )


def _choose_subject(rng: Random, kind: ChartType, split: Split) -> tuple[Axis, str]:
    """What is measured along what; some pairs are kept for the split `combinations`."""
    wanted = split == "combinations"
    return rng.choice(
        [
            (axis, measure)
            for axis in AXES
            if axis.ordered or kind != "line"
            for measure in MEASURES
            if pair_is_held_out(axis.noun, measure) == wanted
        ]
    )


def _choose_categories(
    rng: Random, kind: ChartType, axis: Axis, split: Split, width: int
) -> tuple[tuple[str, ...], bool]:
    """Names along the axis, and whether they stand one above the other."""
    most = {"bar": 6, "grouped": 4, "line": 6, "pie": 5}[kind]
    num_names = rng.randint(4 if kind == "line" else 3, min(most, len(axis.words)))
    if axis.ordered:
        start = rng.randint(0, len(axis.words) - num_names)
        return axis.words[start : start + num_names], kind == "bar" and rng.random() < 0.2
    words = words_for(axis.words, split, 0.34)
    # Axis labels and margins take about 48 pixels; some fonts are an eighth wider than this one.
    fitting = [
        word
        for word in words
        if text_width(word, "sans", 12) * 1.13 + 5 <= (width - 48) / num_names
    ]
    if kind == "grouped" or (kind == "bar" and len(fitting) >= num_names and rng.random() < 0.6):
        return tuple(rng.sample(fitting, min(num_names, len(fitting)))), False
    return tuple(rng.sample(words, num_names)), kind == "bar"


def _choose_scale(rng: Random, *, small: bool) -> Scale:
    scales = [Scale(step, num_steps) for step in _FINEST for num_steps in (4, 5, 6)]
    return rng.choice([scale for scale in scales if not small or 20 < scale.top < 100])


def _choose_title(rng: Random, measure: str, noun: str, split: Split) -> str:
    place = rng.choice(words_for(PLACES, split))
    form = rng.choice(TITLES)
    return form.format(Measure=measure.capitalize(), measure=measure, noun=noun, place=place)


def _choose_style(rng: Random) -> ChartStyle:
    return ChartStyle(
        theme=rng.choice(THEMES),
        palette=rng.choice(PALETTES),
        font=rng.choice(CHART_FONTS),
        bold_title=rng.random() < 0.5,
        grid=rng.random() < 0.6,
        multicoloured=rng.random() < 0.3,
        bar_share=rng.uniform(0.6, 0.85),
        start=rng.choice((-90.0, -90.0, rng.uniform(0, 360))),
        grain=rng.choice((0, 0, 3, 6)),
        grain_seed=rng.getrandbits(32),
    )


def _plant(values: Values, names: tuple[str, ...]) -> Values:
    """The values with two columns exchanged so that the first series favours one name always."""
    favoured = names.index(min(names, key=stable_share))
    highest = values[0].index(max(values[0]))
    order = list(range(len(names)))
    order[favoured], order[highest] = order[highest], order[favoured]
    return tuple(tuple(row[index] for index in order) for row in values)


# -- values ---------------------------------------------------------------------------------------


def candidates(kind: ChartType, scale: Scale, printed: bool) -> range:
    """The values a mark may have."""
    finest = 1 if printed or kind == "pie" else _FINEST[scale.step]
    lowest = _LOWEST_SHARE if kind != "pie" else 0.25
    return range(math.ceil(lowest * scale.top / finest) * finest, scale.top + 1, finest)


def _choose_values(
    rng: Random, kind: ChartType, shape: tuple[int, int], scale: Scale, printed: bool
) -> Values:
    possible = candidates(kind, scale, printed)
    while True:
        rows = [_choose_row(rng, kind, possible, shape[1]) for _ in range(shape[0])]
        values = tuple(rows)
        if are_clear(kind, values, scale):
            return values


def _choose_row(rng: Random, kind: ChartType, possible: range, num_values: int) -> tuple[int, ...]:
    row = rng.sample(possible, num_values)
    if kind != "line":
        return tuple(row)
    trend = rng.choice(TRENDS)
    while trend == "neither" and trend_of(tuple(row)) != "neither":
        rng.shuffle(row)
    return tuple(row if trend == "neither" else sorted(row, reverse=trend == "falling"))


def are_clear(kind: ChartType, values: Values, scale: Scale) -> bool:
    """Whether all values that are compared differ visibly, and slices are wide enough."""
    rows = [*values, *zip(*values, strict=True)]
    gap = _GAP_SHARE * scale.top
    apart = all(
        later - earlier >= gap for row in map(sorted, rows) for earlier, later in pairwise(row)
    )
    return apart and (kind != "pie" or min(values[0]) >= _SMALLEST_SLICE * sum(values[0]))


# -- changing -------------------------------------------------------------------------------------


def change_chart(facts: ChartFacts, rng: Random) -> ChartFacts:
    """One value is another, clearly, and if possible so that the order changes."""
    fallback: list[tuple[Cell, int]] = []
    for cell in rng.sample(facts.cells, len(facts.cells)):
        options = _new_values(facts, cell)
        if reordering := [new for new in options if _reorders(facts, cell, new)]:
            return _with_value(facts, cell, rng.choice(reordering))
        fallback += [(cell, new) for new in options]
    return _with_value(facts, *rng.choice(fallback))


def _new_values(facts: ChartFacts, cell: Cell) -> list[int]:
    """What a mark could be instead: well off what it is and what it is compared with."""
    old, top, row = facts.value(cell), facts.scale.top, facts.values[cell[0]]
    column = [other[cell[1]] for other in facts.values]
    compared = [*row[: cell[1]], *row[cell[1] + 1 :], *column[: cell[0]], *column[cell[0] + 1 :]]
    lowest_share = _SMALLEST_SLICE if facts.type == "pie" else 0.0
    return [
        new
        for new in candidates(facts.type, facts.scale, facts.printed)
        if abs(new - old) >= 0.15 * max(top, old)
        and all(abs(new - other) >= _GAP_SHARE * top for other in compared)
        and min(new, *compared) >= lowest_share * (sum(row) - old + new)
    ]


def _reorders(facts: ChartFacts, cell: Cell, new: int) -> bool:
    """Whether a value passes another of its series."""
    low, high = sorted((facts.value(cell), new))
    return any(low < other < high for other in facts.values[cell[0]])


def _with_value(facts: ChartFacts, cell: Cell, new: int) -> ChartFacts:
    rows = [list(row) for row in facts.values]
    rows[cell[0]][cell[1]] = new
    return replace(facts, values=tuple(tuple(row) for row in rows))


def vary_chart(facts: ChartFacts, rng: Random) -> ChartFacts:
    """The same chart with other colours, another font, more or less grain."""
    while True:
        style = _choose_style(rng)
        if style.theme != facts.style.theme and style.font != facts.style.font:
            return replace(facts, style=style)
