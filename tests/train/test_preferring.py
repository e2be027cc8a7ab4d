"""Training on which of two answers is the better one, measured from the model before."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.sittings import find_differences
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run

from triptych.objectives.mixture import Objectives
from triptych.objectives.preferences import PreferenceConfig
from triptych.processor import Sample, ask_about
from triptych.train import Interrupted
from triptych.train.record import read_record

PREFERRING = replace(
    CONFIG,
    objectives=Objectives(answering=0.0, preferring=1.0, preference=PreferenceConfig(strength=1.0)),
    ema_decay=0.0,
)


class TwoAnswers:
    """A source whose pictures have a caption, and a worse one."""

    def __init__(self, run: TinyRun) -> None:
        self.run = run

    def __len__(self) -> int:
        return len(self.run.source)

    def lengths(self) -> None:
        """Unknown."""

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        item = self.run.source.items[index]
        image = self.run.source.picture(item.image_id, generator)
        return self.run.processor.encode_answers(
            ask_about([item.image_id]), [item.captions[0], "it is what it is"], features=[image]
        )


def with_two_answers() -> TinyRun:
    run = tiny_run()
    return replace(run, source=TwoAnswers(run))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preferring")
    with_two_answers().fit(folder, PREFERRING)
    return folder


def test_the_better_answer_gains_on_the_worse_one(whole: Path) -> None:
    lines = read_record(whole / "record.jsonl")
    assert lines[0]["preferring"] == pytest.approx(0.69, abs=0.05)  # log 2, but for dropout
    assert lines[-1]["preferring"] < 0.1
    assert [line["preferred"] for line in lines[2:]] == [1.0] * 10
    assert lines[0]["loss"] == lines[0]["preferring"]


def test_going_on_measures_from_the_model_before_the_run_not_before_the_sitting(
    tmp_path: Path, whole: Path
) -> None:
    def stop(count: int) -> None:
        if count == 20:
            raise KeyboardInterrupt

    with pytest.raises((Interrupted, KeyboardInterrupt)):
        with_two_answers().fit(tmp_path, PREFERRING, before_sample=stop)
    assert 0 < len(read_record(tmp_path / "record.jsonl")) < 12
    with_two_answers().fit(tmp_path, PREFERRING, resume=True)
    assert find_differences(tmp_path, whole) == []
