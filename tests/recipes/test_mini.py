"""The recipe of the embedded model, stopped after two steps."""

import json
from pathlib import Path

import pytest

from triptych import load
from triptych.errors import ConfigError, UsageError
from triptych.recipes import run_recipe
from triptych.train.record import read_record

SMALL = (
    "shares.signs=0",
    "shares.charts=0",
    "shares.documents=0",
    "shares.screens=0",
    "shares.pairs=0",
    "max_questions=3",
    "see.batch_size=1",
    "see.max_steps=2",
    "see.warmup_steps=1",
    "first.batch_size=1",
    "first.max_steps=2",
    "first.warmup_steps=1",
    "num_text_samples=20",
    "num_dev=2",
    "num_items=1",
    "train.batch_size=1",
    "train.accumulate=2",
    "train.max_steps=2",
    "train.warmup_steps=1",
    "train.decay_steps=1",
    "train.validate_every=2",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("mini")
    return folder, run_recipe("mini", SMALL, data=None, folder=folder, resume=False)


def test_every_world_is_validated_and_every_ability_scored(run: tuple[Path, dict]) -> None:
    folder, result = run
    record = read_record(folder / "record.jsonl")
    assert len(record) == 2
    for stage in ("see", "first"):
        assert len(read_record(folder / stage / "record.jsonl")) == 2
    seen = read_record(folder / "see" / "record.jsonl")[-1]
    assert {"seeing", "val_loss", "val_loss_crowds", "val_loss_signs"} <= set(seen)
    assert {"val_loss", "val_loss_scenes", "val_loss_clips"} <= set(record[-1])
    assert {"attribute", "count 7-9", "clip order", "both twins"} <= set(result["scores"])
    assert "chart value" not in result["scores"]
    assert json.loads((folder / "scores.json").read_text()) == result


def test_a_run_can_begin_with_a_finished_model(run: tuple[Path, dict], tmp_path: Path) -> None:
    start = run[0] / "model"
    run_recipe(
        "mini", (*SMALL, f"start={start}"), data=None, folder=tmp_path / "next", resume=False
    )
    first = read_record(run[0] / "record.jsonl")[0]["loss"]
    again = read_record(tmp_path / "next" / "record.jsonl")[0]["loss"]
    assert again < first
    assert load(tmp_path / "next").processor.tokenizer.vocab_size > 256


def test_data_is_refused_because_none_is_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out --data"):
        run_recipe("mini", SMALL, data=tmp_path, folder=tmp_path, resume=False)


def test_a_device_that_is_not_here_is_refused_before_the_first_stage(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device='gpu' cannot be trained on"):
        run_recipe("mini", (*SMALL, "train.device=gpu"), data=None, folder=tmp_path, resume=False)
    assert not (tmp_path / "see").exists()


def test_a_mixture_of_nothing_is_refused(tmp_path: Path) -> None:
    nothing = (*SMALL, "shares.scenes=0", "shares.clips=0")
    with pytest.raises(ConfigError, match="at least one"):
        run_recipe("mini", nothing, data=None, folder=tmp_path, resume=False)
