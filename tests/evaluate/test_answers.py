"""What counts as a right answer."""

import pytest

from triptych.data.worlds.question import Boxes, Number, Places, Structure, Truth, Words
from triptych.evaluate.answers import Said, field_f1, judge
from triptych.geometry import Box, Point
from triptych.text import Located

SQUARE = (Point(0.0, 0.0), Point(10.0, 0.0), Point(10.0, 10.0), Point(0.0, 10.0))
LEFT, RIGHT = Box(0.0, 0.0, 10.0, 10.0), Box(20.0, 0.0, 30.0, 10.0)


@pytest.mark.parametrize(
    ("truth", "text", "score"),
    [
        (Words(("red",)), "Red.", 1.0),
        (Words(("on the left", "left")), " left", 1.0),
        (Words(("red",)), "dark red", 0.0),
        (Number(40.0, tolerance=0.05), "42", 1.0),
        (Number(40.0, tolerance=0.05), "38", 1.0),
        (Number(40.0, tolerance=0.05), "42.1", 0.0),
        (Number(7.0), "7", 1.0),
        (Number(0.0, tolerance=0.05), "0", 1.0),
        (Number(-4.0, tolerance=0.05), "-4", 1.0),
        (Number(1200.0), "1,200", 1.0),
    ],
)
def test_texts_and_numbers(truth: Truth, text: str, score: float) -> None:
    verdict = judge(truth, Said(text))
    assert verdict.score == score
    assert verdict.is_parsed


@pytest.mark.parametrize(
    ("truth", "text"),
    [
        (Words(("red",)), ""),
        (Number(3.0), "three"),
        (Number(3.0), "nan"),
        (Boxes((("", LEFT),)), "(1,2)"),
        (Places((SQUARE,)), "there"),
        (Structure({"a": 1}), '{"a":1'),
        (Structure({"a": 1}), '```json {"a":1}```'),
    ],
)
def test_what_cannot_be_read_is_wrong_and_counted_apart(truth: Truth, text: str) -> None:
    verdict = judge(truth, Said(text))
    assert (verdict.score, verdict.is_parsed) == (0.0, False)


def boxed(*boxes: Box) -> Said:
    return Said("", tuple(Located(box) for box in boxes))


def test_a_box_is_found_from_half_an_overlap_on() -> None:
    truth = Boxes((("", Box(0.0, 0.0, 10.0, 10.0)),))
    assert judge(truth, boxed(Box(0.0, 0.0, 10.0, 5.0))).score == 1.0
    assert judge(truth, boxed(Box(0.0, 0.0, 10.0, 4.9))).score == 0.0


def test_every_box_needs_one_of_its_own() -> None:
    truth = Boxes((("", LEFT), ("", RIGHT)))
    assert judge(truth, boxed(RIGHT, LEFT)).score == 1.0
    assert judge(truth, boxed(LEFT, LEFT)).score == 0.0
    assert judge(truth, boxed(LEFT)).score == 0.0
    assert judge(truth, boxed(LEFT, RIGHT, LEFT)).score == 0.0


def test_the_first_point_counts() -> None:
    def pointed(*points: Point) -> Said:
        return Said("", tuple(Located(point) for point in points))

    truth = Places((SQUARE,))
    assert judge(truth, pointed(Point(5.0, 5.0), Point(50.0, 50.0))).score == 1.0
    assert judge(truth, pointed(Point(50.0, 50.0), Point(5.0, 5.0))).score == 0.0


@pytest.mark.parametrize(
    ("value", "truth", "f1"),
    [
        ({"a": "x", "b": "y"}, {"b": "y", "a": "x"}, 1.0),
        ({"a": "x", "b": "z"}, {"a": "x", "b": "y"}, 0.5),
        ({"a": "x"}, {"a": "x", "b": "y"}, 2 / 3),
        ({"A": "x"}, {"a": "x"}, 0.0),
        ({"a": [1, 2]}, {"a": [2, 1]}, 1.0),
        ({"a": [{"n": "x"}, {"n": "x"}]}, {"a": [{"n": "x"}]}, 2 / 3),
        ({"a": 1}, {"a": "1"}, 1.0),
        ({"a": "HILL PANTRY"}, {"a": "Hill Pantry"}, 1.0),
        ({}, {}, 1.0),
        ([], {"a": 1}, 0.0),
    ],
)
def test_structures_share_fields(value: object, truth: object, f1: float) -> None:
    assert field_f1(value, truth) == pytest.approx(f1)
