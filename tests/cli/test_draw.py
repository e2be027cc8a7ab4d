"""`draw`: pictures on disk, and their questions with true answers on stdout."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.command import Command

from triptych.data.worlds import draw


def test_every_sample_has_a_picture_and_its_answers(triptych: Command, tmp_path: Path) -> None:
    done = triptych("draw", "screens", "--count", 2, "--number", 5, "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"screens-train-5.png", "screens-train-6.png", "sheet.png"}
    for number in (5, 6):
        sample = draw(f"screens/train/{number}")
        with Image.open(tmp_path / f"screens-train-{number}.png") as opened:
            assert opened.tobytes() == sample.drawing.pictures[0].tobytes()
        assert all(f"  {each.text} -> " in done.out for each in sample.questions)


def test_json_has_one_object_a_sample(triptych: Command, tmp_path: Path) -> None:
    done = triptych("draw", "screens", "--split", "test", "--count", 2, "--json", "--out", tmp_path)
    first, second = map(json.loads, done.out.splitlines())
    assert (first["id"], second["id"]) == ("screens/test/0", "screens/test/1")
    assert first["truth"] == draw("screens/test/0").truth
    assert all(Path(path).is_file() for path in first["pictures"])
    assert {each["kind"].partition("/")[0] for each in first["questions"]} == {"screens"}
    assert {each["truth"]["type"] for each in first["questions"]} >= {"words", "places"}


def test_variants_follow_their_sample(triptych: Command, tmp_path: Path) -> None:
    done = triptych(
        *("draw", "screens", "--count", 1, "--prior", 0.5, "--twin", "--nuisance", 2),
        *("--json", "--out", tmp_path),
    )
    shown = [json.loads(line) for line in done.out.splitlines()]
    variants = ["", "/twin", "/nuisance-1", "/nuisance-2"]
    assert [each["id"] for each in shown] == [f"screens/train@0.5/0{each}" for each in variants]
    before, after = shown[1]["contrast"]
    assert before["text"] == after["text"] and before["answer"] != after["answer"]
    assert not any("contrast" in each for each in (shown[0], shown[2]))


def test_the_sheet_marks_what_answers_point_at(triptych: Command, tmp_path: Path) -> None:
    triptych("draw", "screens", "--count", 1, "--out", tmp_path)
    with Image.open(tmp_path / "sheet.png") as page:
        pixels = np.asarray(page).astype(int)
    # About the first colour of marks, which no label of a sheet and few windows have.
    assert (abs(pixels - (214, 40, 40)).max(-1) < 6).sum() > 50


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["screen"], "did you mean screens"),
        (["screens", "--split", "trian"], "did you mean train?"),
        (["screens", "--count", "-3"], "-3 samples"),
        (["screens", "--count", "0"], "at least one"),
        (["screens", "--number", "-1"], "sample -1"),
        (["screens", "--nuisance", "-1"], "-1 nuisance variants"),
        (["screens", "--prior", "1.5"], "1.5"),
        (["screens", "--prior", "nan"], "nan"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence(
    triptych: Command, tmp_path: Path, arguments: list[str], named: str
) -> None:
    done = triptych("draw", *arguments, "--out", tmp_path / "drawn")
    assert done.code == 2
    assert named in done.sentence
    assert not (tmp_path / "drawn").exists()


def test_a_folder_that_cannot_be_made_is_named(triptych: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = triptych("draw", "screens", "--out", tmp_path / "file")
    assert done.code == 1
    assert "file" in done.sentence
