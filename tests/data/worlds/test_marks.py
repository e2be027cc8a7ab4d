"""What the cells of a picture show, told from facts and checked against the pixels."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import ImageChops

from triptych.data.worlds import WORLDS
from triptych.data.worlds.fonts import font
from triptych.data.worlds.marks import (
    CellContent,
    LetterMark,
    ThingMark,
    cell_contents,
    mark_box,
    mark_letters,
)
from triptych.data.worlds.scenes import Scenes
from triptych.data.worlds.signs import Signs
from triptych.data.worlds.signs.boards import draw_sign
from triptych.data.worlds.world import SampleId, facts_of
from triptych.geometry import Box, Point
from triptych.shapes import Grid


def facts(world, number: int):
    return facts_of(world, SampleId(world=world.name, split="train", number=number))


def test_a_cell_shows_the_thing_that_covers_most_of_it_and_its_edges():
    below, above = (
        mark_box(Box(0.0, 0.0, 28.0, 20.0), "field"),
        mark_box(Box(14.0, 0.0, 56.0, 28.0), "button"),
    )
    contents = cell_contents([below, above], (56, 56), Grid(2, 2))
    # The button lies on top: it covers half of the first cell, the field two sevenths.
    assert contents[0].words == ("button",)
    assert contents[1].edges == pytest.approx((-1.0, -0.5, 0.5, 0.5))
    assert contents[2] == CellContent()


def test_letters_stand_in_the_cell_of_their_middle_line_by_line():
    letters = [
        LetterMark(letter="b", middle=Point(20.0, 5.0), line=0),
        LetterMark(letter="a", middle=Point(5.0, 6.0), line=0),
        LetterMark(letter="c", middle=Point(4.0, 20.0), line=1),
        LetterMark(letter="d", middle=Point(30.0, 5.0), line=0),
        LetterMark(letter="e", middle=Point(-3.0, 5.0), line=2),
    ]
    first, second = cell_contents(letters, (56, 28), Grid(1, 2))
    assert (first.letters, second.letters) == (("a", "b", "c"), ("d",))


def test_blanks_are_no_letters_but_take_room():
    face = font("mono", 20)
    a, b = mark_letters("a b", face, 10.0, 7.0, 3)
    assert (a.letter, b.letter, a.line) == ("a", "b", 3)
    assert b.middle.x - a.middle.x == pytest.approx(2 * face.getlength("a"), abs=0.1)


def test_a_thing_with_a_hole_does_not_cover_it():
    ring = ThingMark(
        words=("ring",),
        outline=Box(0.0, 0.0, 84.0, 84.0).corners,
        hole=Box(28.0, 28.0, 56.0, 56.0).corners,
        box=Box(0.0, 0.0, 84.0, 84.0),
    )
    contents = cell_contents([ring], (84, 84), Grid(3, 3))
    assert [bool(content.words) for content in contents] == [True] * 4 + [False] + [True] * 4


@pytest.mark.parametrize("number", range(6))
def test_cells_of_a_scene_show_the_colour_that_their_words_name(number):
    world = Scenes()
    scene = facts(world, number)
    plain = replace(scene, things=tuple(replace(each, texture="solid") for each in scene.things))
    pixels = np.asarray(world.render(plain).pictures[0]).astype(int)
    width, height = scene.size
    contents = cell_contents(world.marks(plain)[0], scene.size, Grid(height // 28, width // 28))
    rgb = {(t.size, t.texture, t.colour, t.shape): t.rgb for t in plain.things}
    shown = 0
    for index, content in enumerate(contents):
        row, col = divmod(index, width // 28)
        cell = pixels[28 * row : 28 * row + 28, 28 * col : 28 * col + 28].reshape(-1, 3)
        if content.words:
            shown += 1
            assert (abs(cell - rgb[content.words]).max(axis=1) <= 2).sum() > 10
    assert shown >= len(scene.things)


@pytest.mark.parametrize("number", [1, 4, 9])
def test_the_letters_of_a_sign_lie_on_its_ink_however_it_is_turned(number):
    world = Signs()
    sign = facts(world, number).signs[0]
    canvas = world.render(facts(world, number)).pictures[0]
    bare, written = canvas.copy(), canvas.copy()
    draw_sign(bare, sign, has_text=False)
    draw_sign(written, sign)
    ink = np.asarray(ImageChops.difference(bare, written).convert("L")) > 20
    marks = [m for m in world.marks(facts(world, number))[0] if isinstance(m, LetterMark)]
    own = [mark for mark in marks if mark.line == 0]
    assert "".join(mark.letter for mark in own) == sign.text.replace(" ", "")
    reach = sign.text_height // 2
    for mark in own:
        x, y = round(mark.middle.x), round(mark.middle.y)
        assert ink[y - reach : y + reach, x - reach : x + reach].sum() > 3


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_tells_what_its_pictures_show(name):
    world = WORLDS[name]
    told = facts(world, 5)
    drawing, marks = world.render(told), world.marks(told)
    assert len(marks) == len(drawing.pictures)
    for picture, own in zip(drawing.pictures, marks, strict=True):
        grid = Grid(picture.height // 28, picture.width // 28)
        contents = cell_contents(own, picture.size, grid)
        assert len(contents) == grid.rows * grid.cols
        assert any(content.words or content.letters for content in contents)
