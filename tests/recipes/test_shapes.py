"""The recipe of drawn shapes, made so small that it runs in seconds and learns nothing."""

import json
from pathlib import Path

import pytest

from triptych import load
from triptych.data.worlds.shapes import draw_shapes
from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.recipes import run_recipe
from triptych.recipes.shapes import is_true
from triptych.train.record import read_record

SMALL = (
    "num_train=24",
    "num_held_out=6",
    "dim=16",
    "depth=1",
    "sheet_size=3",
    "decoding.max_new_tokens=6",
    "decoding.num_beams=1",
    "train.epochs=2",
    "train.batch_size=8",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp("shapes")
    return folder, run_recipe("shapes", SMALL, data=None, folder=folder, resume=False)


def test_everything_that_it_promises_is_written(run: tuple[Path, dict[str, object]]) -> None:
    folder, scores = run
    for name in ("model", "sheet.png", "loss.png", "captions.json", "record.jsonl"):
        assert (folder / name).exists(), name
    assert json.loads((folder / "scores.json").read_text()) == scores
    assert len(read_record(folder / "record.jsonl")) == 6
    assert len(list((folder / "held_out").glob("*.png"))) == 3


def test_the_settings_are_kept_with_their_changes(run: tuple[Path, dict[str, object]]) -> None:
    settings = json.loads((run[0] / "recipe.json").read_text())
    assert settings["num_train"] == 24
    assert settings["train"]["epochs"] == 2


def test_a_saved_picture_gets_the_caption_it_got_in_the_run(
    run: tuple[Path, dict[str, object]],
) -> None:
    folder = run[0]
    said = list(json.loads((folder / "captions.json").read_text()).values())
    pictures = [draw_shapes(number, size=48) for number in range(30, 33)]
    paths = [folder / "held_out" / f"{p.captions[0].replace(' ', '_')}.png" for p in pictures]
    answers = load(folder).caption(paths, GenerationOptions(max_new_tokens=6))
    assert [answer.text for answer in answers] == said[:3]


def test_a_finished_run_that_is_resumed_says_the_same(
    run: tuple[Path, dict[str, object]],
) -> None:
    folder, scores = run
    again = run_recipe("shapes", SMALL, data=None, folder=folder, resume=True)
    assert again["test"] == scores["test"]


def test_a_run_that_is_there_is_not_begun_again_over_it(
    run: tuple[Path, dict[str, object]],
) -> None:
    before = (run[0] / "recipe.json").read_text()
    with pytest.raises(UsageError, match="add --resume"):
        run_recipe("shapes", (*SMALL, "dim=32"), data=None, folder=run[0], resume=False)
    assert (run[0] / "recipe.json").read_text() == before


def test_every_drawn_caption_is_true_of_its_own_picture() -> None:
    for number in range(40):
        picture = draw_shapes(number)
        assert all(is_true(caption, picture) for caption in picture.captions)


def test_a_caption_with_one_wrong_word_is_not_true() -> None:
    picture = next(p for p in map(draw_shapes, range(40)) if len(p.shapes) == 2)
    first, second = picture.shapes
    right = picture.captions[0]
    assert is_true(f"there is {picture.captions[1]}", picture)
    assert not is_true(right.replace(first.colour, "orange", 1), picture)
    assert not is_true(right.replace(second.kind, "star"), picture)
    assert not is_true(f"a {first.name}", picture)
    swapped = {"left": "right", "right": "left", "above": "below"}
    relation = next(word for word in swapped if word in right)
    assert not is_true(right.replace(relation, swapped[relation]), picture)
