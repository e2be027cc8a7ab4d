"""What can be asked about a chart, and what is true.

A query says what is asked without its words, so that the same query can be put to a chart and to
its twin: only the answers differ.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random
from typing import Any

from triptych.data.worlds.charts.facts import Cell, ChartFacts
from triptych.data.worlds.charts.wordings import CHART_PHRASES, MORE, MOST, PAIRED
from triptych.data.worlds.question import Number, Question, Structure, Truth, Words
from triptych.data.worlds.wording import Split, word

RELAXED = 0.05
"""Numbers read off a chart may be off by this share (ChartQA, https://arxiv.org/abs/2203.10244)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartQuery:
    """Something to ask."""

    wording: str
    """Key of `CHART_PHRASES`."""
    cells: tuple[Cell, ...] = ()
    """The marks in question, in order."""
    sense: str = ""
    """Highest or lowest, higher or lower."""
    across: bool = False
    """Of an extreme: which series within a category, rather than which category."""

    @property
    def kind(self) -> str:
        return "charts/difference" if self.wording == "charts/sum" else self.wording


_NUM_ASKED = {
    "charts/value": 3,
    "charts/extreme": 2,
    "charts/comparison": 2,
    "charts/trend": 1,
    "charts/difference": 1,
    "charts/sum": 1,
    "charts/title": 1,
    "charts/table": 1,
}


def ask_chart(facts: ChartFacts, rng: Random, split: Split) -> list[Question]:
    """Questions of every kind that the chart allows, in random order."""
    queries: list[ChartQuery] = []
    for wording, num_asked in _NUM_ASKED.items():
        allowed = _queries(facts, wording)
        queries += rng.sample(allowed, min(num_asked, len(allowed)))
    rng.shuffle(queries)
    return [put(query, facts, rng, split) for query in queries]


def contrast_charts(
    facts: ChartFacts, changed: ChartFacts, rng: Random, split: Split
) -> tuple[Question, Question]:
    """One question whose answer differs between the two; its kind is drawn first, evenly."""
    by_kind: dict[str, list[ChartQuery]] = {}
    for wording in _NUM_ASKED:
        for query in _queries(facts, wording):
            if answer(query, facts) != answer(query, changed):
                by_kind.setdefault(wording, []).append(query)
    query, seed = rng.choice(by_kind[rng.choice(sorted(by_kind))]), rng.getrandbits(64)
    first, second = (put(query, chart, Random(seed), split) for chart in (facts, changed))
    return first, second


def put(query: ChartQuery, facts: ChartFacts, rng: Random, split: Split) -> Question:
    """A query in words, with its answer. The words depend on nothing that `change` changes."""
    text = word(CHART_PHRASES, query.wording, rng, split, **_slots(query, facts, rng))
    said, truth = answer(query, facts)
    tags: dict[str, str | int | float | bool] = {"chart": facts.type, "printed": facts.printed}
    if query.kind == "charts/difference":
        tags["operation"] = query.wording.removeprefix("charts/")
    return Question(kind=query.kind, text=text, answer=(said,), truth=truth, tags=tags)


# -- what may be asked ----------------------------------------------------------------------------


def _queries(facts: ChartFacts, wording: str) -> list[ChartQuery]:
    """Every query that these words can put."""
    if wording in ("charts/title", "charts/table"):
        allowed = wording == "charts/title" or facts.readable
        return [ChartQuery(wording=wording)] if allowed else []
    if wording == "charts/value":
        return [ChartQuery(wording=wording, cells=(c,)) for c in facts.cells if facts.readable]
    if wording == "charts/trend":
        lines = range(len(facts.series)) if facts.type == "line" else ()
        return [ChartQuery(wording=wording, cells=((index, 0),)) for index in lines]
    if wording == "charts/extreme":
        return _extremes(facts)
    senses = tuple(MORE) if wording == "charts/comparison" else ("",)
    pairs = _pairs(facts) if wording == "charts/comparison" or facts.readable else []
    return [ChartQuery(wording=wording, cells=pair, sense=s) for pair in pairs for s in senses]


def _extremes(facts: ChartFacts) -> list[ChartQuery]:
    """The end of a series; where there are several, also the end of a category."""
    series = [((index, 0), False) for index in range(len(facts.series))]
    columns = [((0, index), True) for index in range(len(facts.categories))]
    scopes = series + (columns if len(facts.series) > 1 else [])
    return [
        ChartQuery(wording="charts/extreme", cells=(cell,), sense=sense, across=across)
        for cell, across in scopes
        for sense in MOST
    ]


def _pairs(facts: ChartFacts) -> list[tuple[Cell, Cell]]:
    """Marks of one series, or of one category: those are kept apart visibly."""
    return [(a, b) for a, b in permutations(facts.cells, 2) if a[0] == b[0] or a[1] == b[1]]


# -- what is true ---------------------------------------------------------------------------------


def answer(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    """What to say, and what counts as right."""
    return _ANSWERS[query.wording](query, facts)


def _number(value: int) -> tuple[str, Truth]:
    return str(value), Number(float(value), RELAXED)


def _words(text: str) -> tuple[str, Truth]:
    return text, Words((text,))


def _value(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    return _number(facts.value(query.cells[0]))


def _extreme(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    series, category = query.cells[0]
    row = tuple(row[category] for row in facts.values) if query.across else facts.values[series]
    names = facts.series if query.across else facts.categories
    return _words(names[row.index(max(row) if query.sense == "highest" else min(row))])


def _comparison(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    first, second = (facts.value(cell) for cell in query.cells)
    return _words("yes" if (first > second) == (query.sense == "higher") else "no")


def _trend(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    return _words(facts.trend(query.cells[0][0]))


def _difference(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    return _number(abs(facts.value(query.cells[0]) - facts.value(query.cells[1])))


def _sum(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    return _number(facts.value(query.cells[0]) + facts.value(query.cells[1]))


def _title(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    return _words(facts.title)


def _table(query: ChartQuery, facts: ChartFacts) -> tuple[str, Truth]:
    table = table_of(facts)
    return json.dumps(table, separators=(",", ":")), Structure(table)


_ANSWERS: dict[str, Callable[[ChartQuery, ChartFacts], tuple[str, Truth]]] = {
    "charts/value": _value,
    "charts/extreme": _extreme,
    "charts/comparison": _comparison,
    "charts/trend": _trend,
    "charts/difference": _difference,
    "charts/sum": _sum,
    "charts/title": _title,
    "charts/table": _table,
}


def table_of(facts: ChartFacts) -> dict[str, Any]:
    """Category to value; where there are several series, series to category to value."""
    rows = [dict(zip(facts.categories, row, strict=True)) for row in facts.values]
    return dict(zip(facts.series, rows, strict=True)) if len(facts.series) > 1 else rows[0]


# -- words ----------------------------------------------------------------------------------------


def _slots(query: ChartQuery, facts: ChartFacts, rng: Random) -> dict[str, str]:
    names = _names(query.cells, facts, rng)
    slots = {"what": facts.measure, "noun": facts.noun, "line": "the line", "scope": ""}
    slots |= dict(zip("ab", names, strict=False))
    if query.sense:
        slots["most"] = slots["more"] = rng.choice((MOST | MORE)[query.sense])
    if len(facts.series) > 1 and query.cells:
        series, category = facts.series[query.cells[0][0]], facts.categories[query.cells[0][1]]
        slots["line"] = f"the line of {series}"
        slots["scope"] = f" in {category}" if query.across else f" for {series}"
    if query.across:
        slots["noun"] = facts.series_noun
    return slots


def _names(cells: Sequence[Cell], facts: ChartFacts, rng: Random) -> list[str]:
    """What the marks are called: by category, and by series where there are several."""
    form = rng.choice(PAIRED) if len(facts.series) > 1 else "{category}"
    return [
        form.format(series=facts.series[series], category=facts.categories[category])
        for series, category in cells
    ]
