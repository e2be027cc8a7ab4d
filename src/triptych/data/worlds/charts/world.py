"""Charts: bars, groups of bars, lines and pies whose every number is known.

    compose   what is measured, along which axis, the values and the scale: `facts`
    render    `layout` places, `drawing` draws
    ask       `questions`, in the words of `wordings`

Training never meets a quarter of the place names, a third of the fruit, cities, ... and two fifths
of the series' names (split `test`), nor a fifth of the pairs of axis and measure (split
`combinations`). The planted association (`prior`) is that of all names on the axis always the same
one is the highest.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from triptych.data.worlds.charts.drawing import draw_chart
from triptych.data.worlds.charts.facts import ChartFacts, change_chart, compose_chart, vary_chart
from triptych.data.worlds.charts.layout import lay_out
from triptych.data.worlds.charts.questions import ask_chart, contrast_charts, table_of
from triptych.data.worlds.marks import Mark, mark_box, mark_lettering
from triptych.data.worlds.question import Question
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing
from triptych.geometry import Box


class Charts:
    """The world of charts; see `World` for what each method promises."""

    name = "charts"

    def compose(self, rng: Random, split: Split, prior: float) -> ChartFacts:
        return compose_chart(rng, split, prior)

    def change(self, facts: ChartFacts, rng: Random) -> ChartFacts:
        """One value is another by at least 15 %, if possible so that the order changes."""
        return change_chart(facts, rng)

    def vary(self, facts: ChartFacts, rng: Random) -> ChartFacts:
        """Other colours, font, grid and grain; the order of things stays."""
        return vary_chart(facts, rng)

    def render(self, facts: ChartFacts) -> Drawing:
        return Drawing(pictures=(draw_chart(facts),))

    def ask(self, facts: ChartFacts, rng: Random, split: Split) -> list[Question]:
        return ask_chart(facts, rng, split)

    def contrast(
        self, facts: ChartFacts, changed: ChartFacts, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        return contrast_charts(facts, changed, rng, split)

    def describe(self, facts: ChartFacts) -> dict[str, Any]:
        """Boxes are [left, top, right, bottom] in pixels, points [x, y], angles in degrees."""
        layout = lay_out(facts)
        return {
            "type": facts.type,
            "horizontal": facts.horizontal,
            "printed": facts.printed,
            "title": facts.title,
            "measure": facts.measure,
            "noun": facts.noun,
            "categories": list(facts.categories),
            "series": [name for name in facts.series if name],
            "scale": {"step": facts.scale.step, "top": facts.scale.top},
            "table": table_of(facts),
            "plot": _corners(layout.plot),
            "bars": {_key(cell): _corners(bar) for cell, bar in layout.bars.items()},
            "points": {_key(cell): [point.x, point.y] for cell, point in layout.points.items()},
            "slices": {_key(cell): list(angles) for cell, angles in layout.slices.items()},
            "texts": [{"text": line.text, "box": _corners(line.box)} for line in layout.texts],
        }

    def marks(self, facts: ChartFacts) -> Sequence[Sequence[Mark]]:
        """Bars, keys of the legend, and all letters."""
        layout = lay_out(facts)
        found: list[Mark] = [mark_box(bar, "bar") for bar in layout.bars.values()]
        found += [mark_box(box, "key") for box, _ in layout.swatches]
        for number, line in enumerate(layout.texts):
            found += mark_lettering(line, number)
        return [found]


def _corners(box: Box) -> list[float]:
    return [box.left, box.top, box.right, box.bottom]


def _key(cell: tuple[int, int]) -> str:
    """Series and category by number, as keys of JSON are texts."""
    return f"{cell[0]},{cell[1]}"
