"""Places in words: whatever form a model writes, in pixels of the original picture."""

import pytest
from tests.laws.debug_models import picture

from triptych.engines.places import (
    FORMATS,
    FRACTIONS,
    LOCATIONS,
    PIXELS,
    SQUARE_FRACTIONS,
    THOUSANDTHS,
    VERTICAL_FIRST,
    find_format,
    known_format,
)
from triptych.errors import UnknownNameError
from triptych.geometry import Box, Point
from triptych.media import open_image
from triptych.text import Located

WIDE = open_image(picture(0, 100, 200))
"""200 pixels wide, 100 high."""

BOX = Box(20.0, 10.0, 100.0, 60.0)


def read(form, text: str, max_pixels: int | None = None) -> list[Located]:
    _, transform = form.show(WIDE, max_pixels)
    return form.read(text, transform)


def corners(located: Located) -> tuple[float, ...]:
    place = located.place
    assert isinstance(place, Box)
    return place.left, place.top, place.right, place.bottom


@pytest.mark.parametrize(
    "text",
    [
        "(100,100),(500,600)",
        "[100, 100, 500, 600]",
        "[[100, 100, 500, 600]]",
        "<box>100 100 500 600</box>",
        "<box>[[100,100,500,600]]</box>",
        "<|box_start|>(100,100),(500,600)<|box_end|>",
        "It is at [100, 100, 500, 600], I think.",
        '{"bbox_2d": [100, 100, 500, 600]}',
        '```json\n[\n  {"bbox_2d": [100, 100,\n 500, 600]}\n]\n```',
        '[{"box": [[100, 100], [500, 600]]}]',
        "(500, 600), (100, 100)",
        "(100.0, 100.0), (500.0, 600.0)",
    ],
)
def test_a_box_is_read_from_every_way_of_writing_it(text):
    [found] = read(THOUSANDTHS, text)
    assert found.place == BOX


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("<ref>red cat</ref><box>[[100,100,500,600]]</box>", "red cat"),
        (
            "<|object_ref_start|>red cat<|object_ref_end|>"
            "<|box_start|>(100,100),(500,600)<|box_end|>",
            "red cat",
        ),
        ('{"bbox_2d": [100, 100, 500, 600], "label": " red cat "}', "red cat"),
        ('{"name": "red cat", "box": [100, 100, 500, 600]}', "red cat"),
        ("a red cat (100,100),(500,600)", ""),
        ('{"label": 7, "box": [100, 100, 500, 600]}', ""),
    ],
)
def test_a_label_is_read_where_one_is_marked(text, label):
    assert read(THOUSANDTHS, text) == [Located(BOX, label)]


def test_a_label_ends_where_other_words_begin():
    text = "<ref>cat</ref><box>[[0,0,1,1]]</box><box>[[2,2,3,3]]</box> and there [4,4,5,5]"
    assert [each.label for each in read(THOUSANDTHS, text)] == ["cat", "cat", ""]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[[0,0,1,1],[2,2,3,3]]", 2),
        ("<ref>a</ref><box>[[0,0,1,1],[2,2,3,3]]</box>", 2),
        ("(0,0),(1,1)(2,2),(3,3)", 2),
        ('[{"box": [0,0,1,1]}, {"box": [2,2,3,3]}]', 2),
        ('[{"box": [0,0,1,1]}, {"box": [2,2,3', 1),
        ("[0,0,1,1]\n[2,2,3,3]\n[4,4,5,5]", 3),
    ],
)
def test_several_boxes_come_in_their_order(text, count):
    found = read(THOUSANDTHS, text)
    assert len(found) == count
    lefts = [each.place.left for each in found]
    assert lefts == sorted(lefts)
    assert len({each.label for each in found}) == 1


@pytest.mark.parametrize(
    "text", ["(500,250)", "[500, 250]", '{"point_2d": [500, 250]}', "<point>500 250</point>"]
)
def test_a_point_is_two_numbers(text):
    assert [each.place for each in read(THOUSANDTHS, text)] == [Point(100.0, 25.0)]


@pytest.mark.parametrize(
    "garbled",
    [
        *("", "no idea", "()", "(1)", "(1,2,3)", "(1,2),(3,4),(5,6)", "[1,2,3,4,5]", "v1.2,3"),
        *("100,100,500,600", "{", "{}", '{"box": "x"}', '{"box": [1, 2, 3]}', '{"box": [true, 1]}'),
        *('{"box": [NaN, 1]}', '{"box": [Infinity, 1, 2, 3]}', "[" * 5000),
        *(
            '{"box": [' + "9" * 5000 + ", 1]}",
            "(" + "9" * 400 + ",1)",
            '{"box": ' + "[" * 3000 + "}",
        ),
        "<loc0001><loc0002><loc0003> cat",
    ],
)
def test_what_is_garbled_is_left_out(garbled):
    for form in FORMATS:
        assert read(form, garbled) == []


def test_what_lies_outside_becomes_the_edge():
    [found] = read(THOUSANDTHS, "(-50,-50),(4000,4000)")
    assert found.place == Box(0.0, 0.0, 200.0, 100.0)


def test_fractions_and_vertical_first_and_locations_count_otherwise():
    assert read(FRACTIONS, "[0.1, 0.1, 0.5, 0.6]") == [Located(BOX)]
    assert read(VERTICAL_FIRST, '{"box_2d": [100, 100, 600, 500], "label": "cat"}') == (
        [Located(BOX, "cat")]
    )
    found = read(LOCATIONS, "<loc0256><loc0128><loc0768><loc0512> cat ; <loc0512><loc0512> dog")
    assert found == [
        Located(Box(25.0, 25.0, 100.0, 75.0), "cat"),
        Located(Point(100.0, 50.0), "dog"),
    ]


def test_pixels_are_those_of_what_the_model_sees():
    shown, transform = PIXELS.show(WIDE, None)
    assert (shown.width, shown.height) == (196, 112)  # multiples of 28, so it is not resized again
    [found] = PIXELS.read(f"[0, 0, {shown.width / 2}, {shown.height}]", transform)
    assert corners(found) == pytest.approx((0, 0, 100, 100))
    shown, transform = PIXELS.show(WIDE, 4000)
    assert shown.width * shown.height <= 4000
    [found] = PIXELS.read(f"[{shown.width / 4}, 0, {shown.width}, {shown.height}]", transform)
    assert corners(found) == pytest.approx((50, 0, 200, 100))


def test_a_square_is_cut_back_to_the_picture():
    shown, transform = SQUARE_FRACTIONS.show(WIDE, None)
    assert (shown.width, shown.height) == (200, 200)
    [found] = SQUARE_FRACTIONS.read("[0.1, 0.3, 0.5, 0.55]", transform)
    assert corners(found) == pytest.approx((20, 10, 100, 60))


def test_other_forms_leave_a_picture_as_it_is_within_its_budget():
    for form in (THOUSANDTHS, FRACTIONS, VERTICAL_FIRST, LOCATIONS):
        assert form.show(WIDE, None)[0].rgb.size == (200, 100)
        assert form.show(WIDE, 5000)[0].rgb.size == (100, 50)
        assert form.show(WIDE, 10**9)[0].rgb.size == (200, 100)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", PIXELS),
        ("qwen2_5_vl", PIXELS),
        ("Qwen2-VL-2B-Instruct", THOUSANDTHS),
        ("OpenGVLab/InternVL3-8B", THOUSANDTHS),
        ("llava-hf/llava-1.5-7b-hf", SQUARE_FRACTIONS),
        ("google/gemma-3-4b-it", VERTICAL_FIRST),
        ("google/paligemma2-3b-mix-448", LOCATIONS),
        ("gpt-4o", None),
        ("", None),
    ],
)
def test_published_models_are_known_by_their_names(name, form):
    assert known_format(["nothing", name]) == form


def test_a_question_says_the_form_that_is_read():
    for form in FORMATS:
        for kind in ("box", "point"):
            question = form.question(kind)
            assert "{phrase}" in question and "{form}" not in question
    assert THOUSANDTHS.question("box") == (
        'Locate the {phrase}. Answer with JSON: [{"bbox_2d": [left, top, right, bottom], '
        '"label": "{phrase}"}], in thousandths of the picture\'s width and height.'
    )
    assert "[top, left, bottom, right]" in VERTICAL_FIRST.question("box")
    assert LOCATIONS.question("box") == "detect {phrase}"


def test_forms_are_found_by_name():
    assert [find_format(form.name) for form in FORMATS] == list(FORMATS)
    with pytest.raises(UnknownNameError, match="did you mean pixels"):
        find_format("pixel")
