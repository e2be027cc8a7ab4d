"""`locate` and `point`: a line for each place, and all of them drawn on the picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.command import Command
from tests.tasks.saying import say

BOX = "<|object_ref_start|>red circle<|object_ref_end|><|box_start|>(100,250),(500,750)<|box_end|>"
DOT = "<|box_start|>(500,500)<|box_end|>"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures are written into the folder one is in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_boxes_are_printed_and_drawn_in_the_folder_one_is_in(
    triptych: Command, model: Path, photo: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, BOX)
    done = triptych("locate", photo, "the red circle", "--model", model)
    assert (done.code, done.out) == (0, "red circle: 6, 10, 30, 30\n")
    assert done.err == "drawn: photo.located.png\n"
    with Image.open(here / "photo.located.png") as drawn, Image.open(photo) as before:
        differ = (np.asarray(drawn) != np.asarray(before)).any(-1)
    assert differ[10:30, 6].all() and not differ[36:, 40:].any()


def test_points_are_printed_and_drawn_where_one_says(
    triptych: Command, model: Path, photo: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, DOT)
    done = triptych("point", photo, "star", "--model", model, "--out", "dot.jpg")
    assert done.out == "star: 30, 20\n"
    assert [path.name for path in here.iterdir()] == ["dot.jpg"]


def test_json_has_exact_numbers(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, BOX, DOT)
    done = triptych("locate", photo, "it", "--model", model, "--json")
    assert done.err == ""
    assert json.loads(done.out) == {
        "picture": str(photo),
        "phrase": "it",
        "found": [{"label": "red circle", "box": [6.0, 10.0, 30.0, 30.0]}],
        "drawn": "photo.located.png",
    }
    told = json.loads(triptych("point", photo, "it", "--model", model, "--json").out)
    assert told["found"] == [{"label": "it", "point": [30.0, 20.0]}]


@pytest.mark.parametrize("verb", ["locate", "point"])
def test_nothing_found_is_said_and_nothing_is_drawn(
    triptych: Command,
    model: Path,
    photo: Path,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
) -> None:
    say(monkeypatch, "there is none", "")
    done = triptych(verb, photo, "star", "--model", model)
    assert (done.code, done.out, done.err) == (0, "", "nothing was found for 'star'\n")
    told = json.loads(triptych(verb, photo, "star", "--model", model, "--json").out)
    assert (told["found"], told["drawn"]) == ([], None)
    assert list(here.iterdir()) == []


def test_places_that_cannot_be_drawn_or_asked_for_are_refused(
    triptych: Command, model: Path, photo: Path
) -> None:
    refused = {
        ("star", "--out", "star.txt"): "which kind of picture",
        ("star", "--out", str(photo)): "is the picture itself",
        (" ",): "the phrase is empty",
    }
    for arguments, sentence in refused.items():
        done = triptych("locate", photo, *arguments, "--model", model)
        assert done.code == 2
        assert sentence in done.sentence
