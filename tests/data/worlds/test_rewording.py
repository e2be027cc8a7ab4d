"""Training asks in thousands of wordings, and never in one that is held out."""

import re
from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from triptych.data.worlds.charts.wordings import CHART_PHRASES
from triptych.data.worlds.clips.questions import PHRASES as CLIP_PHRASES
from triptych.data.worlds.documents.wordings import DOCUMENT_PHRASES
from triptych.data.worlds.pairs.words import PHRASES as PAIR_PHRASES
from triptych.data.worlds.rewording import (
    CLOSINGS,
    OPENINGS,
    all_of,
    as_people_write,
    plain,
    spread,
    stands_for,
)
from triptych.data.worlds.scenes.words import PHRASES as SCENE_PHRASES
from triptych.data.worlds.screens.wording import PHRASES as SCREEN_PHRASES
from triptych.data.worlds.signs.questions import PHRASES as SIGN_PHRASES
from triptych.data.worlds.wording import Phrases, with_more, word
from triptych.errors import ConfigError

ALL = {
    "scenes": SCENE_PHRASES,
    "signs": SIGN_PHRASES,
    "charts": CHART_PHRASES,
    "documents": DOCUMENT_PHRASES,
    "screens": SCREEN_PHRASES,
    "pairs": PAIR_PHRASES,
    "clips": CLIP_PHRASES,
}


def _every() -> Iterator[tuple[str, Phrases]]:
    for world, phrases in ALL.items():
        for kind, ways in phrases.items():
            yield f"{world}: {kind}", ways


def test_a_pattern_finds_all_wordings_of_a_way_and_no_other() -> None:
    for way in (
        "[Tell me|Say] what colour the {thing} [is|has][.|, please.|]",
        "{a}: [what|which]?",
    ):
        assert all(stands_for(way).fullmatch(plain(each)) for each in all_of(way))
        assert not stands_for(way).fullmatch("tell me what colour {thing} is")


def test_nothing_is_trained_on_that_is_held_out() -> None:
    for kind, ways in _every():
        for held_out in map(plain, ways.unseen):
            assert held_out not in map(plain, ways.seen), (kind, held_out)
            for way in ways.more:
                assert not stands_for(way).fullmatch(held_out), (kind, held_out, way)


def test_openings_and_closings_make_no_held_out_wording() -> None:
    for kind, ways in _every():
        for held_out, opening in product(ways.unseen, OPENINGS):
            begins = plain(held_out).startswith(plain(opening) + " ")
            rest = plain(held_out).removeprefix(plain(opening)).strip()
            trained = {plain(each) for each in ways.seen}
            assert not (begins and rest in trained), kind
    assert not set(map(plain, OPENINGS)) & {""}


def test_every_way_can_be_filled_in_as_those_that_are_held_out_can() -> None:
    def slots(wording: str) -> set[str]:
        return set(re.findall(r"{(\w+)}", wording))

    for kind, ways in _every():
        known = slots(" ".join(ways.seen + ways.unseen))
        for way in ways.more:
            assert slots(way) <= known, (kind, way)
            assert "[" not in spread(way, Random(0)) and "|" not in spread(way, Random(0))


def test_the_questions_of_the_table_are_asked_in_hundreds_of_ways() -> None:
    for world, kind in (
        ("scenes", "existence"),
        ("scenes", "count"),
        ("scenes", "attribute/colour"),
        ("scenes", "relation/yesno"),
        ("scenes", "locate"),
        ("scenes", "point"),
        ("signs", "signs/read_one"),
        ("charts", "charts/value"),
        ("documents", "documents/json"),
        ("screens", "click button"),
        ("clips", "clips/direction"),
    ):
        assert len({each for way in ALL[world][kind].more for each in all_of(way)}) > 200, kind


def test_one_choice_of_each_is_taken() -> None:
    way = "[Tell me|Say] [which|what] colour it [is|has]."
    wordings = set(all_of(way))
    assert len(wordings) == 8
    rng = Random(0)
    assert {spread(way, rng) for _ in range(200)} == wordings


def test_what_people_add_leaves_the_question_in_one_piece() -> None:
    rng = Random(1)
    written = [as_people_write("Is there a star?", rng) for _ in range(400)]
    assert all("s there a star" in each for each in written)
    assert "Is there a star?" in written and "Is there a star" in written
    assert any(each.startswith(OPENINGS) for each in written)
    assert any(each.endswith(CLOSINGS) for each in written)


def test_only_training_is_asked_in_more_ways() -> None:
    phrases = {"x": Phrases(tuple(f"seen {i}" for i in range(10)), ("held 1", "held 2"), ("more",))}
    rng = Random(2)
    asked = {
        split: {word(phrases, "x", rng, split) for _ in range(300)} for split in ("train", "dev")
    }
    assert asked["dev"] == set(phrases["x"].seen)
    assert any("more" in each for each in asked["train"])
    assert {word(phrases, "x", rng, "test") for _ in range(50)} == {"held 1", "held 2"}


def test_more_ways_to_ask_what_nobody_asks_are_refused() -> None:
    with pytest.raises(ConfigError, match="'y'"):
        with_more({}, {"y": ("a",)})
