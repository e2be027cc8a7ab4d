"""What is particular to charts: the picture says what the values are, and the answers too."""

import json
from dataclasses import replace
from functools import lru_cache
from random import Random

import numpy as np
import pytest

from triptych.data.worlds.charts import Charts
from triptych.data.worlds.charts.drawing import draw_chart
from triptych.data.worlds.charts.facts import (
    CHART_FONTS,
    PALETTES,
    THEMES,
    ChartFacts,
    ChartStyle,
    Scale,
    candidates,
    compose_chart,
    trend_of,
    vary_chart,
)
from triptych.data.worlds.charts.layout import lay_out
from triptych.data.worlds.charts.palettes import PALETTE_COLOURS, THEME_COLOURS
from triptych.data.worlds.charts.questions import ChartQuery, answer, put
from triptych.data.worlds.fonts import FONTS
from triptych.data.worlds.question import Number, Structure, Words
from triptych.data.worlds.world import SampleId, facts_of

STYLE = ChartStyle(
    theme="white",
    palette="plain",
    font="sans",
    bold_title=False,
    grid=True,
    multicoloured=True,
    bar_share=0.7,
    start=-90.0,
    grain=0,
    grain_seed=0,
)
FRUIT = ChartFacts(
    type="bar",
    horizontal=False,
    printed=False,
    size=(280, 224),
    title="Sales by fruit",
    measure="sales",
    noun="fruit",
    categories=("Fig", "Pear", "Plum"),
    series_noun="",
    series=("",),
    values=((10, 40, 25),),
    scale=Scale(10, 5),
    style=STYLE,
)
TEAMS = replace(
    FRUIT,
    type="line",
    categories=("2001", "2002", "2003"),
    noun="year",
    series_noun="team",
    series=("Reds", "Owls"),
    values=((10, 20, 30), (50, 15, 44)),
)


@lru_cache(maxsize=8)
def composed(count, split="train", prior=0.0):
    return [compose_chart(Random(number), split, prior) for number in range(count)]


def said(wording, facts=FRUIT, **query):
    return answer(ChartQuery(wording=f"charts/{wording}", **query), facts)[0]


def count_pixels(picture, colour):
    """How many pixels have a colour exactly, in each row and each column."""
    same = (np.asarray(picture) == colour).all(-1)
    return same.sum(1), same.sum(0)


# -- answers worked by hand -----------------------------------------------------------------------


def test_answers_about_three_bars():
    pear, plum = (0, 1), (0, 2)
    assert said("value", cells=(pear,)) == "40"
    assert said("extreme", cells=((0, 0),), sense="highest") == "Pear"
    assert said("extreme", cells=((0, 0),), sense="lowest") == "Fig"
    assert said("comparison", cells=(pear, plum), sense="higher") == "yes"
    assert said("comparison", cells=(pear, plum), sense="lower") == "no"
    assert said("comparison", cells=(plum, pear), sense="lower") == "yes"
    assert said("difference", cells=(plum, pear)) == "15"
    assert said("sum", cells=(plum, pear)) == "65"
    assert said("title") == "Sales by fruit"
    assert said("table") == '{"Fig":10,"Pear":40,"Plum":25}'


def test_answers_about_two_lines():
    assert said("trend", TEAMS, cells=((0, 0),)) == "rising"
    assert said("trend", TEAMS, cells=((1, 0),)) == "neither"
    assert said("extreme", TEAMS, cells=((1, 0),), sense="lowest") == "2002"
    assert said("extreme", TEAMS, cells=((0, 1),), sense="highest", across=True) == "Reds"
    assert json.loads(said("table", TEAMS)) == {
        "Reds": {"2001": 10, "2002": 20, "2003": 30},
        "Owls": {"2001": 50, "2002": 15, "2003": 44},
    }


def test_trends_are_of_every_step():
    assert trend_of((1, 2, 5)) == "rising"
    assert trend_of((5, 2, 1)) == "falling"
    assert trend_of((1, 5, 4)) == trend_of((5, 1, 4)) == "neither"


def test_truths_are_of_their_kinds():
    cell = ((0, 1),)
    assert answer(ChartQuery(wording="charts/value", cells=cell), FRUIT)[1] == Number(40.0, 0.05)
    assert answer(ChartQuery(wording="charts/title"), FRUIT)[1] == Words(("Sales by fruit",))
    table = Structure({"Fig": 10, "Pear": 40, "Plum": 25})
    assert answer(ChartQuery(wording="charts/table"), FRUIT)[1] == table


def test_questions_name_the_series_where_there_are_several():
    query = ChartQuery(wording="charts/value", cells=((1, 2),))
    texts = [put(query, TEAMS, Random(number), "train").text for number in range(30)]
    assert all("Owls" in text and "2003" in text for text in texts)
    query = ChartQuery(wording="charts/extreme", cells=((0, 1),), sense="highest", across=True)
    texts = [put(query, TEAMS, Random(number), "train").text for number in range(30)]
    assert all("team" in text and "in 2002" in text for text in texts)


def test_a_sum_is_told_from_a_difference_by_its_tag():
    pair = ((0, 0), (0, 1))
    for operation in ("sum", "difference"):
        query = ChartQuery(wording=f"charts/{operation}", cells=pair)
        question = put(query, FRUIT, Random(0), "train")
        assert question.kind == "charts/difference"
        assert question.tags == {"chart": "bar", "printed": False, "operation": operation}


# -- the picture ----------------------------------------------------------------------------------


@pytest.mark.parametrize("horizontal", [False, True])
def test_drawn_bars_are_as_long_as_their_values(horizontal):
    # Counted along the middle of each bar; a third of a pixel is lost at a blended edge.
    facts = replace(FRUIT, horizontal=horizontal)
    picture, plot = np.asarray(draw_chart(facts)), lay_out(facts).plot
    length = plot.width if horizontal else plot.height
    for cell, bar in lay_out(facts).bars.items():
        middle = bar.centre
        strip = picture[int(middle.y)] if horizontal else picture[:, int(middle.x)]
        pixels = (strip == PALETTE_COLOURS["plain"][cell[1]]).all(-1).sum()
        assert pixels == pytest.approx(length * facts.value(cell) / 50, abs=1)


def test_the_ticks_stand_where_bars_of_their_value_end():
    layout = lay_out(replace(FRUIT, values=((10, 40, 50),)))
    tops = [bar.top for bar in layout.bars.values()]
    assert tops == pytest.approx([layout.ticks[1], layout.ticks[4], layout.ticks[5]])
    labels = {line.text: line.y for line in layout.texts}
    assert [labels["10"], labels["40"], labels["50"]] == pytest.approx(tops)


def test_laid_out_bars_are_proportional_in_every_chart():
    for facts in composed(250):
        layout = lay_out(facts)
        for cell, bar in layout.bars.items():
            length, whole = (
                (bar.width, layout.plot.width)
                if facts.horizontal
                else (bar.height, layout.plot.height)
            )
            assert length / whole == pytest.approx(facts.value(cell) / facts.scale.top)


def test_drawn_slices_have_the_area_of_their_values():
    facts = replace(FRUIT, type="pie", values=((20, 50, 30),))
    areas = [
        count_pixels(draw_chart(facts), colour)[0].sum() for colour in PALETTE_COLOURS["plain"][:3]
    ]
    # Two per cent: blended edges, and the keys of the legend, 100 pixels each.
    for area, share in zip(areas, (0.2, 0.5, 0.3), strict=True):
        assert (area - 100) / (sum(areas) - 300) == pytest.approx(share, abs=0.02)


def test_a_line_passes_through_its_values():
    picture, layout = draw_chart(TEAMS), lay_out(TEAMS)
    for (series, _), point in layout.points.items():
        pixel = picture.getpixel((int(point.x), int(point.y)))
        assert pixel == PALETTE_COLOURS["plain"][series]
    heights = [layout.points[0, category].y for category in range(3)]
    assert heights == pytest.approx([layout.ticks[1], layout.ticks[2], layout.ticks[3]])


def test_every_name_is_written_and_values_where_they_are_printed():
    for facts in composed(250):
        written = [line.text for line in lay_out(facts).texts]
        names = {facts.title, *facts.categories, *(name for name in facts.series if name)}
        assert names <= set(written)
        if facts.printed:
            for cell in facts.cells:
                assert str(facts.value(cell)) in written


def test_there_are_colours_and_fonts_for_every_name():
    assert set(THEMES) == set(THEME_COLOURS)
    assert set(PALETTES) == set(PALETTE_COLOURS)
    assert set(CHART_FONTS) <= set(FONTS)


def test_marks_differ_from_the_paper_and_from_each_other():
    papers = [theme.paper for theme in THEME_COLOURS.values()]
    for colours in PALETTE_COLOURS.values():
        assert len(colours) == 6
        for index, colour in enumerate(colours):
            for other in (*papers, *colours[:index]):
                assert sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 60


# -- facts ----------------------------------------------------------------------------------------


def test_values_that_are_compared_differ_visibly():
    for facts in composed(250):
        for row in (*facts.values, *zip(*facts.values, strict=True)):
            for index, value in enumerate(row):
                for other in row[:index]:
                    assert abs(value - other) >= 0.04 * facts.scale.top


def test_values_lie_on_the_scale():
    for facts in composed(250):
        possible = candidates(facts.type, facts.scale, facts.printed)
        assert all(value in possible for row in facts.values for value in row)
        if not facts.printed and facts.type != "pie":
            assert facts.scale.step % possible.step == 0
            assert facts.scale.step // possible.step <= 5


def test_a_change_is_of_one_value_and_clear():
    reordered = 0
    for number, facts in enumerate(composed(250)):
        changed = Charts().change(facts, Random(f"change {number}"))
        assert replace(changed, values=facts.values) == facts
        cells = [cell for cell in facts.cells if facts.value(cell) != changed.value(cell)]
        assert len(cells) == 1
        old, new = facts.value(cells[0]), changed.value(cells[0])
        assert abs(new - old) >= 0.15 * max(old, facts.scale.top)
        orders = [[np.argsort(row).tolist() for row in f.values] for f in (facts, changed)]
        reordered += orders[0] != orders[1]
    assert reordered > 235


def test_trends_are_even():
    trends = [f.trend(0) for f in composed(250) if f.type == "line"]
    for trend in ("rising", "falling", "neither"):
        assert 0.2 < trends.count(trend) / len(trends) < 0.47


def test_a_nuisance_changes_the_style_alone():
    for number, facts in enumerate(composed(250)):
        varied = vary_chart(facts, Random(number))
        assert varied.style != facts.style
        assert replace(varied, style=facts.style) == facts


def test_names_of_the_test_are_never_trained_on():
    closed = {"month", "year", "day", "quarter", "hour"}
    seen, held_out = (
        {name for f in composed(250, split) if f.noun not in closed for name in f.categories}
        | {name for f in composed(250, split) for name in f.series if name}
        for split in ("train", "test")
    )
    assert len(seen) > 80 and len(held_out) > 30
    assert not seen & held_out


def test_pairs_of_the_combinations_are_never_trained_on():
    trained, held_out = (
        {(f.noun, f.measure) for f in composed(250, split)} for split in ("train", "combinations")
    )
    assert len(held_out) > 20
    assert not trained & held_out


def test_the_planted_association_holds_as_often_as_asked():
    def winners(prior):
        charts = [f for f in composed(250, prior=prior) if f.type == "bar"]
        return [(f.categories, f.categories[f.values[0].index(max(f.values[0]))]) for f in charts]

    # With a prior of 1, whoever beats another once beats it always.
    beaten = {(winner, name) for names, winner in winners(1.0) for name in names if name != winner}
    assert not any((loser, winner) in beaten for winner, loser in beaten)
    beaten = {(winner, name) for names, winner in winners(0.0) for name in names if name != winner}
    assert any((loser, winner) in beaten for winner, loser in beaten)


def test_a_pie_without_numbers_is_not_asked_for_any():
    facts = replace(FRUIT, type="pie", printed=False)
    kinds = {q.kind for n in range(10) for q in Charts().ask(facts, Random(n), "train")}
    assert kinds == {"charts/extreme", "charts/comparison", "charts/title"}


def test_descriptions_tell_where_the_marks_are():
    facts = facts_of(Charts(), SampleId(world="charts", split="train", number=1))
    truth = Charts().describe(replace(FRUIT, style=facts.style))
    assert truth["table"] == {"Fig": 10, "Pear": 40, "Plum": 25}
    assert set(truth["bars"]) == {"0,0", "0,1", "0,2"}
    assert not truth["points"] and not truth["slices"]
