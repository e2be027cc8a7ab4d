"""Boxes and points as text: drawn examples, the way there and back, and what models may write."""

import random

import pytest

from triptych.errors import ConfigError, ShapeError, TokenError
from triptych.geometry import Box, Point
from triptych.text import (
    CellsConfig,
    Located,
    PixelsConfig,
    Segment,
    ThousandthsConfig,
    located,
)

FORMAT = ThousandthsConfig()
LABEL, LABEL_END = "<|object_ref_start|>", "<|object_ref_end|>"


def box(*numbers: float) -> Box:
    return Box(*map(float, numbers))


def point(x: float, y: float) -> Point:
    return Point(float(x), float(y))


def written(thing: Located, width: int, height: int) -> str:
    return "".join(segment.text for segment in FORMAT.write(thing, width, height))


def boxed(inner: str) -> str:
    return f"<|box_start|>{inner}<|box_end|>"


# -- writing -------------------------------------------------------------------------------------


def test_a_box_and_a_point_drawn():
    place = box(64, 48, 320, 240)
    assert FORMAT.write(Located(place), 640, 480) == (Segment(boxed("(100,100),(500,500)"), True),)
    assert FORMAT.write(Located(point(320, 24), "cat"), 640, 480) == (
        Segment(LABEL, True),
        Segment("cat", False),
        Segment(LABEL_END, True),
        Segment(boxed("(500,50)"), True),
    )


def test_numbers_stay_below_a_thousand_and_inside_the_picture():
    assert written(Located(box(-5, 0, 640, 500)), 640, 480) == boxed("(0,0),(999,999)")
    assert written(Located(point(639.9, -0.01)), 640, 480) == boxed("(999,0)")


def test_qwen_vls_own_tokens_can_be_set():
    older = ThousandthsConfig(
        label_start="<ref>", label_end="</ref>", box_start="<box>", box_end="</box>"
    )
    segments = older.write(Located(box(0, 0, 50, 50), "dog"), 100, 100)
    text = "".join(segment.text for segment in segments)
    assert text == "<ref>dog</ref><box>(0,0),(500,500)</box>"
    assert older.read(text, 100, 100) == [Located(box(0, 0, 50, 50), "dog")]


def test_four_different_tokens_are_needed():
    for wrong in ("", "<|box_end|>"):
        with pytest.raises(ConfigError, match="four different special tokens"):
            ThousandthsConfig(box_start=wrong)


# -- there and back ------------------------------------------------------------------------------


def test_what_is_written_is_read_within_a_thousandth_of_the_side():
    source = random.Random(0)
    for _ in range(500):
        width, height = source.randint(1, 5000), source.randint(1, 5000)
        xs = sorted(source.choice([0.0, width, source.uniform(0, width)]) for _ in range(2))
        ys = sorted(source.choice([0.0, height, source.uniform(0, height)]) for _ in range(2))
        place, middle = box(xs[0], ys[0], xs[1], ys[1]), point(xs[0], ys[1])
        text = written(Located(place, "a thing"), width, height) + " and "
        text += written(Located(middle), width, height)
        first, second = FORMAT.read(text, width, height)
        assert (first.label, second.label) == ("a thing", "")
        read = first.place, second.place
        assert isinstance(read[0], Box) and isinstance(read[1], Point)
        close_x, close_y = 1.0001 * width / 1000, 1.0001 * height / 1000
        assert [read[0].left, read[0].right] == pytest.approx(xs, abs=close_x)
        assert [read[0].top, read[0].bottom] == pytest.approx(ys, abs=close_y)
        assert read[1].x == pytest.approx(middle.x, abs=close_x)
        assert read[1].y == pytest.approx(middle.y, abs=close_y)


# -- what models may write -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("no place at all", [], id="none"),
        pytest.param(boxed("(500,500),(100,200)"), [(box(100, 200, 500, 500), "")], id="swapped"),
        pytest.param(boxed(" ( 1 , 2 ) , (3,4.5) "), [(box(1, 2, 3, 4.5), "")], id="spaces"),
        pytest.param(boxed("(-20,5000)"), [(point(0, 1000), "")], id="beyond the picture"),
        pytest.param(
            f"{LABEL}two cats{LABEL_END}{boxed('(1,2),(3,4)')}{boxed('(5,6),(7,8)')}",
            [(box(1, 2, 3, 4), "two cats"), (box(5, 6, 7, 8), "two cats")],
            id="two boxes of one label",
        ),
        pytest.param(
            f"{LABEL}cat{LABEL_END} sits; {boxed('(1,2)')}", [(point(1, 2), "")], id="words between"
        ),
        pytest.param(
            f"{LABEL}cat{boxed('(1,2)')} {LABEL} dog {LABEL_END} {boxed('(3,4)')}",
            [(point(1, 2), ""), (point(3, 4), "dog")],
            id="label without an end",
        ),
        pytest.param(f"<|box_start|>(1,2),(3,4){boxed('(5,6)')}", [(point(5, 6), "")], id="open"),
        pytest.param("<|box_start|>(1,2),(3,4)", [], id="cut off"),
        pytest.param(boxed(""), [], id="empty"),
        pytest.param(boxed("(1,2),(3"), [], id="half a corner"),
        pytest.param(boxed("(1,2),(3,4),(5,6)"), [], id="three corners"),
        pytest.param(boxed("(a,b),(nan,inf)"), [], id="no numbers"),
        pytest.param(boxed(f"({'9' * 400},1)"), [], id="an endless number"),
        pytest.param("<|box_end|><|box_end|><|box_start|>", [], id="marks alone"),
    ],
)
def test_what_models_write_is_read_without_complaint(text, expected):
    found = FORMAT.read(text, 1000, 1000)
    assert [(each.place, each.label) for each in found] == expected


def test_no_text_makes_reading_fail():
    source = random.Random(0)
    bits = [*FORMAT.special_tokens, "(", ")", ",", "12", "-", ".", " ", "x", "(1,2)"]
    for _ in range(2000):
        text = "".join(source.choice(bits) for _ in range(source.randrange(20)))
        for each in FORMAT.read(text, 64, 48):
            corner = each.place if isinstance(each.place, Point) else each.place.centre
            assert 0 <= corner.x <= 64 and 0 <= corner.y <= 48


# -- parts of messages ---------------------------------------------------------------------------


def test_parts_are_read_in_every_form():
    assert located({"type": "box", "box": [1, 2, 3.5, 4]}) == Located(box(1, 2, 3.5, 4))
    assert located({"type": "box", "box": box(1, 2, 3, 4), "label": "cat"}).label == "cat"
    assert located({"type": "point", "point": (1, 2)}) == Located(point(1, 2))
    assert located({"type": "point", "point": point(1, 2)}) == Located(point(1, 2))


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ({"type": "box", "box": [1, 2, 3]}, r"a box is \[left, top, right, bottom\] in pixels"),
        ({"type": "box", "box": point(1, 2)}, "a box is"),
        ({"type": "box", "box": [1, 2, 3, float("nan")]}, "a box is"),
        ({"type": "point", "point": "1, 2"}, r"a point is \[x, y\] in pixels .* got '1, 2'"),
        ({"type": "point", "point": [1, 2], "label": 3}, "the label of a point is int; give a"),
    ],
)
def test_malformed_places_are_refused(part, problem):
    with pytest.raises(TokenError, match=problem):
        located(part)


def test_a_box_inside_out_is_refused():
    with pytest.raises(ShapeError, match="from left to right"):
        located({"type": "box", "box": [3, 2, 1, 4]})


# -- pixels in JSON --------------------------------------------------------------------------------

PIXELS = PixelsConfig()


def test_a_box_and_a_point_in_json_drawn():
    assert PIXELS.write(Located(box(64, 48, 320, 240)), 640, 480) == (
        Segment('{"bbox_2d": [64, 48, 320, 240]}', True),
    )
    assert PIXELS.write(Located(point(64, 48), 'a "cat"'), 640, 480, (320, 960)) == (
        Segment('{"point_2d": [32, 96], "label": "', True),
        Segment('a \\"cat\\"', False),
        Segment('"}', True),
    )
    assert PIXELS.special_tokens == ()


def test_what_is_written_in_pixels_is_read_again():
    draw = random.Random(0)
    for _ in range(200):
        width, height = draw.randint(1, 2000), draw.randint(1, 2000)
        seen = draw.randint(1, 1500), draw.randint(1, 1500)
        xs, ys = (sorted(draw.uniform(0, side) for _ in "12") for side in (width, height))
        things = [
            Located(box(xs[0], ys[0], xs[1], ys[1]), 'a {"dog"}'),
            Located(point(xs[0], ys[0])),
        ]
        said = "\n".join(
            "".join(s.text for s in PIXELS.write(t, width, height, seen)) for t in things
        )
        first, second = PIXELS.read(f"```json\n[{said}]```", width, height, seen)
        assert first.label == 'a {"dog"}' and second.label == ""
        assert first.place.left == second.place.x == pytest.approx(xs[0], abs=width / seen[0] / 2)
        assert first.place.bottom == pytest.approx(ys[1], abs=height / seen[1] / 2)


@pytest.mark.parametrize(
    ("said", "places"),
    [
        (
            '[{"bbox_2d": [30, 40, 10, 20], "label": " cat "}]',
            [Located(box(10, 20, 30, 40), "cat")],
        ),
        ('{"label": "x", "point_2d": [1.5, -3]} {', [Located(point(1.5, 0), "x")]),
        ('{"bbox_2d": [0, 0, 900, 50]}', [Located(box(0, 0, 100, 50))]),
        ('{"bbox_2d": [0, 0, 9]} {"bbox_2d": "1"} {"bbox_2d": [NaN, 0, 1, 1]} {"a": 1}', []),
        ('{"bbox_2d": [0, 0, 1, 1', []),
        ('{"bbox_2d": [0, 0, 1, 1], "label": 5}', [Located(box(0, 0, 1, 1))]),
        ("{" * 50_000, []),
        ('{"' * 20_000, []),
    ],
)
def test_json_of_models_is_read_leniently(said, places):
    assert PIXELS.read(said, 100, 100) == places


def test_keys_in_json_are_needed():
    with pytest.raises(ConfigError, match="need a key"):
        PixelsConfig(box_key="")


# -- cells of a grid -------------------------------------------------------------------------------

CELLS = CellsConfig()


def test_a_box_on_a_grid_drawn():
    # The example of Kosmos-2: 195 is row 6, column 3; 911 is row 28, column 15.
    assert CELLS.write(Located(box(10, 40, 50, 180), "a cat"), 100, 200) == (
        Segment("<phrase> ", True),
        Segment("a cat", False),
        Segment("</phrase>", True),
        Segment("<object><patch_index_0195><patch_index_0911></object>", True),
    )
    said = "<phrase> a cat</phrase><object><patch_index_0195><patch_index_0911></object>"
    assert CELLS.read(said, 320, 320) == [Located(box(35, 65, 155, 285), "a cat")]


def test_boxes_in_one_row_or_column_reach_to_its_edges():
    four = CellsConfig(side=4, cell="<c{}>")
    assert four.read("<object><c5><c5></object>", 40, 40) == [Located(box(10, 10, 20, 20))]
    assert four.read("<object><c4><c6></object>", 40, 40) == [Located(box(0, 10, 30, 20))]
    assert four.read("<object><c1><c13></object>", 40, 40) == [Located(box(10, 0, 20, 40))]
    assert four.read("<object><c0><c5></object>", 40, 40) == [Located(box(5, 5, 15, 15))]


def test_points_edges_and_the_outside_have_a_cell():
    four = CellsConfig(side=4, cell="<c{}>")

    def cells(place: Box | Point) -> str:
        return four.write(Located(place), 40, 40)[0].text

    assert cells(point(25, 5)) == "<object><c2><c2></object>"
    assert cells(point(40, 40)) == "<object><c15><c15></object>"
    assert cells(box(-5, -5, 99, 99)) == "<object><c0><c15></object>"
    assert cells(box(10, 10, 10, 10)) == "<object><c5><c5></object>"


def test_a_box_on_a_grid_is_found_again_within_a_cell():
    draw = random.Random(0)
    for _ in range(200):
        width, height = draw.randint(1, 2000), draw.randint(1, 2000)
        left, right = sorted(draw.uniform(0, width) for _ in "12")
        top, bottom = sorted(draw.uniform(0, height) for _ in "12")
        said = CELLS.write(Located(box(left, top, right, bottom)), width, height)[0].text
        [found] = CELLS.read(said, width, height)
        for mine, given in zip((found.place.left, found.place.right), (left, right), strict=True):
            assert mine == pytest.approx(given, abs=1.001 * width / 32)
        for mine, given in zip((found.place.top, found.place.bottom), (top, bottom), strict=True):
            assert mine == pytest.approx(given, abs=1.001 * height / 32)


@pytest.mark.parametrize(
    ("said", "labels"),
    [
        (
            "<object><patch_index_0000><patch_index_0033></delimiter_of_multi_objects/>"
            "<patch_index_0001><patch_index_0034></object>",
            ["", ""],
        ),
        ("<phrase>a</phrase> is <object><patch_index_0000><patch_index_0033></object>", [""]),
        ("<object><patch_index_0000></object>", []),
        ("<object><patch_index_0000><patch_index_9999></object>", []),
        ("<object>" * 5000, []),
        ("<phrase>" * 5000 + "</phrase>" * 5000, []),
    ],
)
def test_cells_of_models_are_read_leniently(said, labels):
    assert [each.label for each in CELLS.read(said, 100, 100)] == labels


def test_cells_without_their_tokens_are_refused():
    with pytest.raises(ConfigError, match="five different tokens"):
        CellsConfig(box_start="</object>")
    assert len(CellsConfig(side=4).special_tokens) == 5 + 16
