"""`locate` and `point`: what a model writes about places, in pixels of the original picture."""

import numpy as np
import pytest
from tests.laws.debug_models import subject
from tests.tasks.saying import asked, say

from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import UsageError
from triptych.geometry import Box, Point
from triptych.tasks import Assistant
from triptych.text import Located

PICTURE = np.zeros((100, 200, 3), np.uint8)
"""200 pixels wide, 100 high."""

BOX = "<|box_start|>(100,100),(500,600)<|box_end|>"
DOT = "<|box_start|>(250,500)<|box_end|>"
LABEL = "<|object_ref_start|>red circle<|object_ref_end|>"


def test_a_box_is_in_pixels_of_the_original_and_carries_its_label(qwen, monkeypatch):
    saying = say(monkeypatch, LABEL + BOX)
    assert qwen.locate(PICTURE, "the red circle") == [
        Located(Box(20.0, 10.0, 100.0, 60.0), "red circle")
    ]
    assert asked(saying.prompts[0]) == "Locate the red circle."


def test_a_place_without_a_label_gets_the_phrase(qwen, monkeypatch):
    say(monkeypatch, BOX, DOT)
    assert [each.label for each in qwen.locate(PICTURE, "A star.")] == ["star"]
    assert qwen.point(PICTURE, "star") == [Located(Point(50.0, 50.0), "star")]


def test_a_prompt_of_ones_own_takes_the_phrase(qwen, monkeypatch):
    saying = say(monkeypatch, "", "", "")
    qwen.locate(PICTURE, "stars", prompt="Find all {phrase}.")
    qwen.point(PICTURE, "star", prompt="Touch it {now}!")
    qwen.point(PICTURE, "star")
    assert list(map(asked, saying.prompts)) == [
        "Find all stars.",
        "Touch it {now}!",
        "Point at the star.",
    ]


def test_several_boxes_come_in_the_order_in_which_they_were_written(qwen, monkeypatch):
    say(monkeypatch, f"{LABEL}{BOX}<|box_start|>(0,0),(10,10)<|box_end|>")
    assert [each.place.width for each in qwen.locate(PICTURE, "circles")] == [80, 2]


@pytest.mark.parametrize(
    "garbled",
    [
        "",
        "no idea",
        "<|box_start|>",
        "<|box_end|>(1,2)<|box_start|>",
        "<|box_start|>(1,2),(3)<|box_end|>",
        "<|box_start|>(1,2),(3,4),(5,6)<|box_end|>",
        "<|box_start|>(100,100),(100,600)<|box_end|>",
        "(100,100),(500,600)",
        f"<|object_ref_start|>{BOX.removesuffix('<|box_end|>')}",
    ],
)
def test_what_is_garbled_is_left_out(qwen, monkeypatch, garbled):
    say(monkeypatch, garbled, garbled)
    assert qwen.locate(PICTURE, "star") == []
    assert qwen.point(PICTURE, "star") == []


def test_boxes_end_where_the_picture_ends(qwen, monkeypatch):
    say(monkeypatch, "<|box_start|>(900,-50),(4000,1200)<|box_end|>")
    [found] = qwen.locate(PICTURE, "star")
    assert found.place == Box(180.0, 0.0, 200.0, 100.0)


def test_boxes_are_no_points_and_points_no_boxes(qwen, monkeypatch):
    say(monkeypatch, BOX + DOT, BOX + DOT)
    assert [type(each.place) for each in qwen.locate(PICTURE, "star")] == [Box]
    assert [type(each.place) for each in qwen.point(PICTURE, "star")] == [Point]


@pytest.mark.parametrize("phrase", ["", "  ", "?"])
def test_an_empty_phrase_is_refused(qwen, phrase):
    for task in (qwen.locate, qwen.point):
        with pytest.raises(UsageError, match="the phrase is empty; write what to look for"):
            task(PICTURE, phrase)


def test_a_model_that_writes_no_places_says_so():
    blip = subject("blip2_debug")
    assistant = Assistant(LoadedModel(blip.architecture, blip.model, blip.processor))
    for find in (assistant.locate, assistant.point):
        with pytest.raises(UsageError, match=r"blip2_debug writes no boxes .* --coordinates"):
            find(PICTURE, "star")


def test_whatever_a_real_model_says_about_places_is_a_list(qwen):
    assert isinstance(qwen.locate(PICTURE, "star"), list)


def test_boxes_in_pixels_are_those_of_the_picture_as_the_model_saw_it(monkeypatch):
    debug = subject("qwen2_5_vl_debug")
    assistant = Assistant(LoadedModel(debug.architecture, debug.model, debug.processor))
    seen = debug.processor.encode_image(PICTURE)
    assert (seen.width, seen.height) == (128, 64)
    say(monkeypatch, '[{"bbox_2d": [32, 16, 64, 64], "label": "red circle"}]')
    [found] = assistant.locate(PICTURE, "the red circle")
    assert found == Located(Box(50.0, 25.0, 100.0, 100.0), "red circle")


def test_a_model_that_must_be_told_so_is_asked_for_places(monkeypatch):
    debug = subject("kosmos2_debug")
    assistant = Assistant(LoadedModel(debug.architecture, debug.model, debug.processor))
    cells = "<object><patch_index_0000><patch_index_0005></object>"
    saying = say(monkeypatch, f"<phrase> a cat</phrase>{cells}", "no", "a cat")
    [found] = assistant.locate(PICTURE, "the cat")
    assert found == Located(Box(25.0, 12.5, 75.0, 37.5), "a cat")
    assert "</image> <grounding> Locate the cat." in saying.prompts[0]
    assistant.ask([PICTURE], "what is it?")
    assert "<grounding>" not in saying.prompts[1]
