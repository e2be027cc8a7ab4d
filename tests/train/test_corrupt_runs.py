"""A run over data of which one sample in a hundred is broken, two workers making its samples."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.data.corrupt import EVERY_FAULT, mixture, write_all

from triptych.recipes.staged import run
from triptych.recipes.stages import FreshModel, Stage, StagedRecipe
from triptych.train import PanelRates, TrainConfig
from triptych.train.record import read_record

TRAIN = TrainConfig(
    learning_rates=PanelRates(connector=1e-3), epochs=1, batch_size=64, num_workers=2
)


def listed(entries: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((each["sample_id"].rpartition("/")[2], each["reason"]) for each in entries)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrupt")
    write_all(folder)
    stage = Stage(name="align", train=TRAIN, data=mixture(), num_validated=2)
    model = FreshModel(architecture="llava_1_5_debug")
    recipe = StagedRecipe(summary="a try", model=model, stages=(stage,))
    run(recipe, folder, folder / "run", resume=False)
    return folder / "run" / "align"


def test_a_run_with_one_broken_sample_in_a_hundred_completes(folder: Path) -> None:
    lines = read_record(folder / "record.jsonl")
    assert [line["step"] for line in lines] == [*range(1, 11)]  # 595 samples, 64 a step
    assert sum(line["images"] for line in lines) == 595
    assert not any("skipped" in line for line in lines)
    assert (folder / "checkpoints" / "step-00000010" / "manifest.json").is_file()


def test_each_broken_sample_is_listed_with_its_reason(folder: Path) -> None:
    ledgers = json.loads((folder / "left_out.json").read_text())
    assert [listed(ledger["left_out"]) for ledger in ledgers] == EVERY_FAULT


def test_what_a_worker_found_to_be_cut_off_stands_beside_its_step(folder: Path) -> None:
    [line] = read_record(folder / "ledger.jsonl")
    assert line["sample"] == "coco18" and 1 <= line["step"] <= 10
    assert line["reason"] == "picture cannot be used" and "cut off" in line["detail"]
    kinds = Counter(reason for ledger in EVERY_FAULT for _, reason in ledger)
    assert kinds.total() == 6
