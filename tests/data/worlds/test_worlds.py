"""Worlds by name: what every one of them promises."""

from pathlib import Path
from random import Random

import pytest
from PIL import Image

from triptych.data.worlds import WORLDS, draw, draw_pair, find_world
from triptych.data.worlds.question import BoxPart, Number, PointPart, Question
from triptych.data.worlds.showing import _strip, _write, answer_text
from triptych.data.worlds.world import Drawing, SampleId, World, WorldSample, facts_of
from triptych.errors import UnknownNameError, UsageError
from triptych.geometry import Box, Point


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_found_by_its_own_name(name: str):
    world = find_world(name)
    assert isinstance(world, World) and world.name == name


@pytest.mark.parametrize("name", WORLDS)
def test_a_sample_is_the_same_whenever_it_is_drawn(name: str):
    first, second = draw(f"{name}/dev/3"), draw(f"{name}/dev/3")
    assert first.questions == second.questions and first.truth == second.truth
    assert [each.tobytes() for each in first.drawing.pictures] == [
        each.tobytes() for each in second.drawing.pictures
    ]


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("split", ["train", "combinations"])
def test_a_pair_asks_one_question_with_two_answers(name: str, split: str):
    for number in range(3):
        pair = draw_pair(f"{name}/{split}/{number}")
        assert pair.question.text == pair.twin_question.text
        assert pair.question.truth != pair.twin_question.truth


@pytest.mark.parametrize("name", WORLDS)
def test_what_an_answer_points_at_lies_in_the_picture(name: str):
    for number in range(4):
        sample = draw(f"{name}/test/{number}")
        width, height = sample.drawing.pictures[0].size
        frame = Box(0.0, 0.0, float(width), float(height))
        for part in (part for each in sample.questions for part in each.answer):
            if isinstance(part, PointPart):
                assert frame.contains(part.point)
            elif isinstance(part, BoxPart):
                assert frame.intersection(part.box) == part.box.area


@pytest.mark.parametrize("name", WORLDS)
def test_a_nuisance_keeps_what_is_asked(name: str):
    world, sample_id = find_world(name), SampleId(world=name, split="dev", number=1)
    facts = facts_of(world, sample_id)
    varied = world.vary(facts, Random(0))
    first, second = (world.ask(each, Random(5), "dev") for each in (facts, varied))
    assert {each.kind for each in first} == {each.kind for each in second}


def test_an_unknown_world_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean screens"):
        draw("screen/train/0")


def test_a_twin_has_no_twin():
    with pytest.raises(UsageError, match="leave out '/twin'"):
        draw_pair("screens/train/0/twin")


# -- how samples are written down -----------------------------------------------------------------

RED, BLUE = (Image.new("RGB", (20, 10), colour) for colour in ("red", "blue"))


def test_a_clip_is_one_animated_file(tmp_path: Path):
    drawing = Drawing(pictures=(RED, BLUE, RED), fps=4.0)
    assert _write(drawing, tmp_path, "clip") == (tmp_path / "clip.gif",)
    with Image.open(tmp_path / "clip.gif") as opened:
        assert (opened.n_frames, opened.info["duration"]) == (3, 250)


def test_several_stills_are_numbered_files(tmp_path: Path):
    paths = _write(Drawing(pictures=(RED, BLUE)), tmp_path, "two")
    assert [path.name for path in paths] == ["two-1.png", "two-2.png"]
    with Image.open(paths[1]) as opened:
        assert opened.getpixel((0, 0)) == (0, 0, 255)


def test_a_long_clip_is_shown_by_six_frames_with_the_first_and_the_last():
    drawing = Drawing(pictures=(RED, *[BLUE] * 16, RED), fps=8.0)
    sample = WorldSample(sample_id="x", drawing=drawing, questions=(), truth={})
    strip = _strip(sample)
    assert strip.size == (6 * 20 + 5 * 4, 10)
    assert strip.getpixel((0, 5)) == strip.getpixel((139, 5)) == (255, 0, 0)
    assert strip.getpixel((24, 5)) == strip.getpixel((115, 5)) == (0, 0, 255)


def test_an_answer_is_read_from_left_to_right():
    answer = (
        "there: ",
        BoxPart(Box(1.0, 2.0, 3.0, 4.0), "cat"),
        PointPart(Point(5.4, 6.0)),
    )
    question = Question(kind="x/y", text="?", answer=answer, truth=Number(1.0))
    assert answer_text(question) == "there: cat (1, 2, 3, 4) (5, 6)"
