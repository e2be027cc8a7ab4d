"""The pictures in examples/ are what the worlds draw, and their questions have true answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from triptych.data.worlds import draw
from triptych.geometry import Box
from triptych.media import open_clip

EXAMPLES = Path(__file__).parents[1] / "examples"
QUESTIONS = json.loads((EXAMPLES / "questions.json").read_text(encoding="utf-8"))
PICTURES = {each["picture"]: each["sample"] for each in QUESTIONS}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_an_example_is_drawn_again_from_its_id(name: str) -> None:
    pictures = draw(PICTURES[name]).drawing.pictures
    if name.endswith(".gif"):
        frames = open_clip(EXAMPLES / name).frames
        assert len(frames) == len(pictures)
        for frame, picture in zip(frames, pictures, strict=True):
            # 256 colours a frame: close, not equal.
            difference = np.asarray(frame, int) - np.asarray(picture, int)
            assert np.abs(difference).mean() < 8
        return
    with Image.open(EXAMPLES / name) as kept:
        assert np.array_equal(np.asarray(kept.convert("RGB")), np.asarray(pictures[0]))


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_the_truth_of_an_example_is_the_worlds_own(name: str) -> None:
    truth = draw(PICTURES[name]).truth
    told = json.dumps(truth)
    for question in (each for each in QUESTIONS if each["picture"] == name):
        if question["task"] == "read":
            assert truth["structure"] == question["truth"]
        elif question["task"] in ("locate", "point"):
            wanted = Box(*question["truth"])
            boxes = [Box(*map(float, each["box"])) for each in truth.get("objects", [])]
            boxes += [Box(*map(float, each["box"])) for each in truth.get("places", [])]
            assert max(wanted.iou(box) for box in boxes) > 0.98
        elif question["truth"] not in ("yes", "no", "2"):
            assert question["truth"] in told
