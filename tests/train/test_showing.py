"""Answers shown at validations: the same prompts each time, and not a number of the run changes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.train.tiny_run import CONFIG, samples_before, tiny_run

from triptych.train.record import read_record
from triptych.train.showing import prompt_of, reference_of

SHOWN = replace(CONFIG, num_shown=2)


def curve(folder: Path) -> list[dict[str, float]]:
    lines = read_record(folder / "record.jsonl")
    return [{name: v for name, v in line.items() if name != "seconds"} for line in lines]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], Path]:
    folder = tmp_path_factory.mktemp("shown")
    run = tiny_run()
    run.fit(folder, SHOWN)
    return run.model.state_dict(), folder


def test_a_run_that_shows_answers_is_the_run_that_does_not(
    tmp_path: Path, shown: tuple[dict[str, torch.Tensor], Path]
) -> None:
    run = tiny_run()
    run.fit(tmp_path, CONFIG)
    assert curve(tmp_path) == curve(shown[1])
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, shown[0][name]), name
    assert not (tmp_path / "samples.jsonl").exists()


def test_every_validation_answers_the_same_samples_and_the_sheet_is_drawn(
    shown: tuple[dict[str, torch.Tensor], Path],
) -> None:
    lines = read_record(shown[1] / "samples.jsonl")
    assert [line["step"] for line in lines] == [5, 5, 10, 10, 12, 12]
    ids = [line["sample"] for line in lines]
    assert ids[0] != ids[1] and ids == ids[:2] * 3
    with Image.open(shown[1] / "samples.png") as sheet:
        assert sheet.format == "PNG" and sheet.height > 2 * 300


def test_a_run_that_goes_on_says_it_all_once(
    tmp_path: Path, shown: tuple[dict[str, torch.Tensor], Path]
) -> None:
    def dying(count: int) -> None:
        if count == samples_before(6) + 1:
            raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        tiny_run().fit(tmp_path, SHOWN, before_sample=dying)
    assert len(read_record(tmp_path / "samples.jsonl")) == 2  # of step 5; the checkpoint is of 4
    tiny_run().fit(tmp_path, SHOWN, resume=True)
    assert read_record(tmp_path / "samples.jsonl") == read_record(shown[1] / "samples.jsonl")
    assert curve(tmp_path) == curve(shown[1])


def test_a_prompt_ends_where_the_first_answer_begins() -> None:
    run = tiny_run()
    sample = run.source.sample(3, torch.Generator())
    prompt = prompt_of(sample)
    assert len(prompt.images) == len(prompt.spans) == 1
    assert prompt.token_ids == sample.token_ids[: len(prompt.token_ids)]
    assert sample.labels[len(prompt.token_ids)] != -100
    assert set(prompt.labels) == {-100} and set(prompt.branches) == {0}
    assert prompt.position_ids.shape[-1] == len(prompt.token_ids)
    reference = reference_of(run.processor, sample)
    assert reference == run.source.items[3].captions[0].lower().rstrip(" .")
