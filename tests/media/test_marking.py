"""Boxes and points on pictures: where they are drawn, and that they can be read."""

import numpy as np
import pytest
from PIL import Image

from triptych.geometry import Box, Point
from triptych.media import draw_boxes, draw_points
from triptych.media.marking import _COLOURS

GROUNDS = [(0, 0, 0), (255, 255, 255), *_COLOURS]


def places(image: Image.Image, colour: tuple[int, int, int]) -> set[tuple[int, int]]:
    """Column and row of every pixel of exactly this colour."""
    ys, xs = np.nonzero((np.asarray(image) == colour).all(-1))
    return set(zip(xs.tolist(), ys.tolist(), strict=True))


def test_the_outline_of_a_box_lies_on_its_outermost_pixels():
    page = draw_boxes(Image.new("RGB", (100, 80)), [(Box(10.0, 20.0, 40.0, 60.0), "")])
    rim = {(x, y) for x in range(10, 40) for y in range(20, 60)}
    rim -= {(x, y) for x in range(11, 39) for y in range(21, 59)}
    assert places(page, _COLOURS[0]) == rim


def test_the_picture_itself_is_left_alone():
    picture = Image.new("RGB", (50, 50), (9, 9, 9))
    draw_boxes(picture, [(Box(1.0, 1.0, 30.0, 30.0), "a")])
    draw_points(picture, [(Point(20.0, 20.0), "a")])
    assert picture.getcolors() == [(2500, (9, 9, 9))]


def test_equal_labels_have_equal_colours_and_others_do_not():
    boxes = [
        (Box(5.0, 40.0, 60.0, 90.0), "cat"),
        (Box(80.0, 40.0, 140.0, 90.0), "dog"),
        (Box(150.0, 40.0, 190.0, 90.0), "cat"),
    ]
    page = draw_boxes(Image.new("RGB", (200, 100)), boxes)
    cats, dogs = places(page, _COLOURS[0]), places(page, _COLOURS[1])
    assert (5, 70) in cats and (150, 70) in cats and (80, 70) in dogs
    assert not places(page, _COLOURS[2])


@pytest.mark.parametrize("ground", GROUNDS)
def test_a_box_and_its_label_stand_out_on_any_ground(ground):
    picture = Image.new("RGB", (200, 100), ground)
    page = draw_boxes(picture, [(Box(50.0, 50.0, 150.0, 90.0), "lamp")])
    inked, white = places(page, _COLOURS[0]), places(page, (255, 255, 255))
    # Either the line itself or the white beside it differs from the ground.
    assert {(50, 70), (149, 70)} <= inked and {(49, 70), (150, 70)} <= white
    plate = np.asarray(page)[38:48, 53:75]
    assert (plate.min(-1) > 140).sum() > 15


def test_a_label_at_the_edge_stays_in_the_picture():
    box = Box(100.0, 0.0, 120.0, 20.0)
    page = draw_boxes(Image.new("RGB", (120, 90)), [(box, "umbrella")])
    columns = {x for x, _ in places(page, _COLOURS[0])}
    # The whole word is there: the plate starts left of the box and ends where the picture does.
    assert columns == set(range(min(columns), 120)) and min(columns) < 75


def test_lines_grow_with_the_picture():
    def thickness(side: int) -> int:
        page = draw_boxes(
            Image.new("RGB", (side, side)), [(Box(10.0, 10.0, side - 10.0, side - 10.0), "")]
        )
        return len({x for x, y in places(page, _COLOURS[0]) if y == side // 2 and x < side // 2})

    assert thickness(100) == thickness(250) == 1 and thickness(1200) == 6


def test_a_point_is_a_dot_with_a_ring_around_its_place():
    page = draw_points(Image.new("RGB", (100, 80)), [(Point(30.0, 40.0), "")])
    dot = places(page, _COLOURS[0])
    assert dot and all(abs(x - 30) <= 3 and abs(y - 40) <= 3 for x, y in dot)
    assert {(30, 40), (30, 35)} <= places(page, (255, 255, 255))


def test_a_point_has_its_label_beside_it():
    bare = draw_points(Image.new("RGB", (100, 80)), [(Point(30.0, 40.0), "")])
    page = draw_points(Image.new("RGB", (100, 80)), [(Point(30.0, 40.0), "Save")])
    plate = places(page, _COLOURS[0]) - places(bare, _COLOURS[0])
    assert plate and min(x for x, _ in plate) > 30 and max(y for _, y in plate) < 40


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_any_picture_can_be_marked(mode):
    picture = Image.new(mode, (1, 1))
    box, point = Box(0.0, 0.0, 0.0, 0.0), Point(5.0, -5.0)
    assert draw_boxes(picture, [(box, "写真 😀")]).mode == "RGB"
    assert draw_points(draw_boxes(picture, []), [(point, "x")]).size == (1, 1)
