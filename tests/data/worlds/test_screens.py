"""Windows: what is asked about them is true, wherever chance puts things."""

import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations
from random import Random

import numpy as np
import pytest

from triptych.data.worlds.question import Places, PointPart, Question, Structure
from triptych.data.worlds.rewording import CLOSINGS, OPENINGS
from triptych.data.worlds.screens import Screens
from triptych.data.worlds.screens import words as words
from triptych.data.worlds.screens.composing import HELD_OUT_LOOKS
from triptych.data.worlds.screens.drawing import ACCENTS, draw_window
from triptych.data.worlds.screens.questions import Inquiry, differ, question
from triptych.data.worlds.screens.window import Look, Widget, Window, layout, room
from triptych.data.worlds.screens.wording import PHRASES
from triptych.data.worlds.wording import SPLITS, Split
from triptych.data.worlds.world import SampleId, World, draw_from, draw_pair, facts_of
from triptych.geometry import inside

WORLD = Screens()
KINDS = {"click", "state", "existence", "read_title", "action"}


def sample(number: int, split: Split = "train", variant: str = "", prior: float = 0.0) -> SampleId:
    return SampleId(world="screens", split=split, number=number, variant=variant, prior=prior)


def window(number: int, split: Split = "train", prior: float = 0.0) -> Window:
    return facts_of(WORLD, sample(number, split, prior=prior))


@cache
def questions(number: int, split: Split = "train") -> list[Question]:
    return WORLD.ask(window(number, split), sample(number, split).rng("ask "), split)


def said(found: Question | None) -> object:
    assert found is not None
    return found.answer[0]


FORM = Window(
    size=(308, 224),
    frame=(4, 4, 300, 220),
    app="Quill",
    view="Sign up",
    widgets=(
        Widget("tabs", "tabs", "Audio", ("General", "Audio")),
        Widget("field", "Name", "mia"),
        Widget("checkbox", "Autosave", 0),
        Widget("button", "Cancel", 1),
        Widget("button", "Save", 0),
    ),
    columns=1,
    align="right",
    button_width=80,
    look=Look(False, "blue", "sans", "plain", "right", 3, 0, 0, 4, 7),
)


def asked(topic: str, name: str = "", other: str = "", goal: str | bool = "") -> Question | None:
    return question(Inquiry(topic, name, other, goal), FORM, Random(0), "train")


def test_a_form_is_answered_for_as_it_was_written():
    assert said(asked("state checkbox", "Autosave")) == "no"
    assert said(asked("state greyed", "Save")) == said(asked("state usable", "Cancel")) == "yes"
    assert said(asked("state field", "Name")) == "mia"
    assert said(asked("state tabs", "tabs")) == "Audio"
    assert said(asked("read_title")) == "Quill Sign up"
    assert said(asked("existence", "General", "tabs")) == "yes"
    assert said(asked("existence", "General", "button")) == "no"


def test_the_next_action_depends_on_what_has_been_done():
    toggle = '{"name":"toggle","arguments":{"target":"Autosave","on":true}}'
    click = '{"name":"click","arguments":{"target":"Cancel"}}'
    typed = '{"name":"type","arguments":{"target":"Name","text":"leo"}}'
    assert said(asked("action ensure", "Cancel", "Autosave", True)) == toggle
    assert said(asked("action ensure", "Cancel", "Autosave", False)) == click
    assert said(asked("action fill", "Cancel", "Name", "leo")) == typed
    assert said(asked("action fill", "Cancel", "Name", "mia")) == click


def test_what_cannot_be_done_is_not_asked_for():
    assert asked("action press", "Save") is None
    assert asked("action ensure", "Save", "Autosave", True) is None
    assert asked("action toggle", "Autosave", goal=False) is None
    assert asked("click button", "Delete") is None


def test_screens_is_a_world():
    assert isinstance(WORLD, World) and WORLD.name == "screens"


def test_equal_ids_give_equal_pixels_and_questions():
    for number in range(10):
        first, second = (draw_from(Screens(), sample(number, "test")) for _ in range(2))
        assert first.drawing.pictures[0].tobytes() == second.drawing.pictures[0].tobytes()
        assert first.questions == second.questions and first.truth == second.truth


@pytest.mark.parametrize("split", SPLITS)
def test_a_twin_is_asked_the_same_and_answers_differently(split: Split):
    for number in range(20):
        pair = draw_pair(WORLD, sample(number, split))
        assert pair.question.text == pair.twin_question.text
        assert pair.question.kind == pair.twin_question.kind
        assert pair.question.answer != pair.twin_question.answer
        assert differ(pair.question, pair.twin_question)
        assert pair.drawing.pictures[0].tobytes() != pair.twin.pictures[0].tobytes()


def test_a_twin_differs_in_one_place_or_two_that_were_swapped():
    for number in range(100):
        facts = window(number)
        changed = WORLD.change(facts, Random(number))
        assert changed.look == facts.look and changed.app == facts.app
        retitled = changed.view != facts.view
        differing = [a for a, b in zip(facts.widgets, changed.widgets, strict=True) if a != b]
        assert len(differing) == (0 if retitled else 1) or (
            {*facts.buttons} == {*changed.buttons} and len(differing) == 2
        )


def test_every_kind_of_question_can_tell_twins_apart():
    kinds = Counter(draw_pair(WORLD, sample(number)).question.kind for number in range(50))
    assert set(kinds) == {f"screens/{kind}" for kind in KINDS}


def test_a_nuisance_changes_pixels_and_no_answer():
    for number in range(15):
        facts = window(number)
        varied = WORLD.vary(facts, Random(number))
        assert WORLD.render(facts).pictures[0].tobytes() != (
            WORLD.render(varied).pictures[0].tobytes()
        )
        for seed in range(2):
            first, second = (WORLD.ask(each, Random(seed), "train") for each in (facts, varied))
            assert first == second


def test_what_can_be_pressed_lies_in_the_window_and_nothing_overlaps():
    for number in range(120):
        facts = window(number, SPLITS[number % 4])
        left, top, right, bottom = facts.frame
        boxes = [spot.box for spot in layout(facts)]
        for box in boxes:
            assert left <= box.left and top < box.top and box.right <= right
            assert box.bottom < bottom and box.width >= 12 and box.height >= 20
        assert not any(first.intersection(second) for first, second in combinations(boxes, 2))


def test_one_clicks_into_the_target_and_nothing_else():
    for number in range(50):
        facts = window(number)
        for each in questions(number):
            if each.kind != "screens/click":
                continue
            (part,) = each.answer
            assert isinstance(part, PointPart) and isinstance(each.truth, Places)
            assert any(inside(part.point, outline) for outline in each.truth.outlines)
            hit = [spot.name for spot in layout(facts) if spot.box.contains(part.point)]
            assert hit == [part.label] and part.label.lower() in each.text.lower()


def test_names_in_a_window_are_not_ambiguous():
    for number in range(100):
        names = [spot.name for spot in layout(window(number, "test"))]
        assert len(set(names)) == len(names)


def test_words_stay_inside_their_places():
    # The look does not move anything, so no face may be wider than the room that was kept.
    for number in range(60):
        facts = window(number, "test")
        for spot in layout(facts):
            written = str(spot.widget.state) if spot.widget.kind == "field" else spot.name
            if spot.widget.kind in ("field", "button", "tabs"):
                assert room(written) + 12 <= spot.box.width
            if spot.caption:
                assert spot.caption.x + room(spot.widget.name) <= spot.box.left or (
                    spot.widget.kind == "radio"
                )


def colours_in(facts: Window, name: str) -> int:
    """How many pixels of a place have exactly the accent colour."""
    picture = np.asarray(draw_window(facts))
    box = next(spot.box for spot in layout(facts) if spot.name == name)
    part = picture[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
    return int((part == ACCENTS["blue"]).all(-1).sum())


def test_a_ticked_box_and_an_open_tab_show_the_accent():
    form = replace(FORM, look=replace(FORM.look, grain=0))
    assert colours_in(form, "Audio") > 50 and colours_in(form, "General") == 0
    assert colours_in(form, "Autosave") == 0
    tabs, field, _, *buttons = form.widgets
    ticked = replace(form, widgets=(tabs, field, Widget("checkbox", "Autosave", 1), *buttons))
    assert colours_in(ticked, "Autosave") > 50


def test_an_action_is_the_json_that_is_compared():
    found = [each for number in range(80) for each in questions(number)]
    actions = [each for each in found if each.kind == "screens/action"]
    assert {each.tags["tool"] for each in actions} == {"click", "type", "toggle"}
    for each in actions:
        assert isinstance(each.truth, Structure) and isinstance(each.answer[0], str)
        assert json.loads(each.answer[0]) == each.truth.value
        assert ": " not in re.sub('".*?"', "", each.answer[0])


def test_every_kind_is_asked_often():
    for number in range(60):
        found = questions(number)
        assert 6 <= len(found) <= 12
        assert {each.kind.partition("/")[2] for each in found} >= KINDS - {"action"}
        assert len({each.text for each in found}) == len(found)


def test_yes_and_no_are_equally_frequent():
    found = [each for number in range(150) for each in questions(number)]
    for about in ("existence", "checkbox", "greyed", "usable"):
        answers = Counter(
            each.answer[0]
            for each in found
            if each.tags["about"] == about and each.kind in ("screens/existence", "screens/state")
        )
        total = answers["yes"] + answers["no"]
        # Four standard deviations of fair coins.
        assert set(answers) == {"yes", "no"}
        assert abs(answers["yes"] - answers["no"]) < 4 * total**0.5, about


def test_goals_are_as_often_reached_as_not():
    found = [each for number in range(150) for each in questions(number)]
    for about in ("ensure", "fill"):
        reached = [each.tags["tool"] == "click" for each in found if each.tags["about"] == about]
        assert len(reached) > 25
        assert abs(2 * sum(reached) - len(reached)) < 4 * len(reached) ** 0.5, about


def shown_words(facts: Window) -> set[str]:
    """Every word of a window that comes from a list with a part held out."""
    found = {facts.app, facts.view}
    for widget in facts.widgets:
        found |= {widget.name} - {"tabs"}
        found |= {str(widget.state)} if widget.kind == "field" else set()
        found |= set(widget.options) if widget.kind == "tabs" else set()
    return found - {""}


@pytest.mark.parametrize("split", ["train", "dev", "combinations"])
def test_held_out_words_are_never_seen_in_training(split: Split):
    for number in range(40):
        facts = window(number, split)
        changed = WORLD.change(facts, Random(number))
        assert not any(map(words.is_held_out, shown_words(facts) | shown_words(changed)))
        for each in WORLD.ask(facts, Random(number), split):
            if each.kind == "screens/existence":
                asked = _without_what_people_add(each.text)
                named = [name for name in HELD_OUT_NAMES if re.search(rf"\b{name}\b", asked)]
                assert not named, each.text


def _without_what_people_add(question: str) -> str:
    for opening in OPENINGS:
        question = question.removeprefix(f"{opening} ")
    for closing in CLOSINGS:
        question = question.removesuffix(f" {closing}")
    return question


HELD_OUT_NAMES = [
    name
    for names in (words.BUTTONS, words.CHECKBOXES, words.TABS, words.FIELDS)
    for name in names
    if words.is_held_out(name)
]


def test_every_second_word_of_a_test_is_new():
    seen = [
        words.is_held_out(button.name)
        for number in range(200)
        for button in window(number, "test").buttons
    ]
    assert 0.4 < sum(seen) / len(seen) < 0.6
    assert 20 <= len(HELD_OUT_NAMES) <= 60


@pytest.mark.parametrize("split", SPLITS)
def test_held_out_looks_make_the_split_of_combinations(split: Split):
    for number in range(100):
        facts = window(number, split)
        for look in (facts.look, WORLD.vary(facts, Random(number)).look):
            assert ((look.dark, look.accent) in HELD_OUT_LOOKS) == (split == "combinations")


def test_lists_of_names_share_no_word():
    lists = [words.BUTTONS, words.CHECKBOXES, words.TABS, words.FIELDS, words.RADIOS]
    lists += [words.DROPDOWNS, words.SLIDERS, [o for each in words.RADIOS.values() for o in each]]
    every = [name for names in lists for name in names]
    assert [name for name, count in Counter(every).items() if count > 1] == []


def test_there_are_ten_ways_to_ask_and_three_held_out():
    for topic, phrases in PHRASES.items():
        assert len(phrases.seen) >= 10 and len(phrases.unseen) >= 3, topic


def test_a_full_prior_makes_states_follow_from_names():
    states: dict[str, set[str | int]] = {}
    for number in range(200):
        for widget in window(number, prior=1.0).widgets:
            if widget.kind in ("checkbox", "button", "slider", "dropdown"):
                states.setdefault(widget.name, set()).add(widget.state)
    assert len(states) > 60 and all(len(each) == 1 for each in states.values())
    free = {
        (widget.name, widget.state)
        for number in range(200)
        for widget in window(number).widgets
        if widget.kind == "checkbox"
    }
    assert len(free) > 1.8 * len({name for name, _ in free})


def test_the_truth_names_every_place_with_its_box():
    truth = WORLD.describe(FORM)
    assert json.loads(json.dumps(truth)) == truth
    assert [each["name"] for each in truth["places"]] == [
        "General",
        "Audio",
        "Name",
        "Autosave",
        "Cancel",
        "Save",
    ]
    assert [each["state"] for each in truth["places"]] == [False, True, "mia", 0, 1, 0]
