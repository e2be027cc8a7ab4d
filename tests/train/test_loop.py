"""What one step does, and when the loop refuses to go on."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, NUM_SAMPLES, tiny_run

from triptych.errors import ConfigError, TrainingError
from triptych.train import PanelRates, TrainConfig
from triptych.train.record import read_record


def rates(**panels: float) -> TrainConfig:
    return replace(CONFIG, epochs=1, learning_rates=PanelRates(**panels))


@pytest.mark.parametrize("frozen", ["vision", "connector", "language"])
def test_a_frozen_panel_does_not_change_by_a_bit(tmp_path: Path, frozen: str) -> None:
    run = tiny_run()
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    moving = {p: 1e-2 for p in ("vision", "connector", "language") if p != frozen}
    run.fit(tmp_path, rates(**moving))
    moved = {n for n, t in run.model.state_dict().items() if not torch.equal(t, before[n])}
    assert not {name for name in moved if name.startswith(frozen)}
    for panel in moving:
        assert {name for name in moved if name.startswith(panel)}, panel


def test_accumulating_equals_one_large_batch(tmp_path: Path) -> None:
    small, large = tiny_run(), tiny_run()
    without_dropout = replace(CONFIG, epochs=1)
    for run in (small, large):
        for module in run.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for block in run.model.language.blocks:
            _switch_off_dropout(block)
    small.fit(tmp_path / "small", replace(without_dropout, batch_size=1, accumulate=4))
    large.fit(tmp_path / "large", replace(without_dropout, batch_size=4, accumulate=1))
    first, second = (
        [line["loss"] for line in read_record(tmp_path / name / "record.jsonl")]
        for name in ("small", "large")
    )
    # Sums in another order: worst difference seen 3e-7.
    assert first == pytest.approx(second, abs=1e-5)


def _switch_off_dropout(block: torch.nn.Module) -> None:
    for module in block.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0


def test_the_record_counts_every_label_once_an_epoch(tmp_path: Path) -> None:
    run = tiny_run()
    run.fit(tmp_path, replace(CONFIG, epochs=2))
    lines = read_record(tmp_path / "record.jsonl")
    assert [line["images"] for line in lines] == [4, 4, 3, 4, 4, 3]
    samples = [run.source.sample(i, torch.Generator()) for i in range(NUM_SAMPLES)]
    labels = sum(label >= 0 for sample in samples for label in sample.labels)
    assert sum(line["labels"] for line in lines[:3]) == labels
    assert sum(line["labels"] for line in lines[3:]) == labels
    assert [line["step"] for line in lines if "val_loss" in line] == [5, 6]


def test_a_loss_that_is_not_a_number_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    run = tiny_run()
    with torch.no_grad():
        run.model.connector.get_parameter("norm.weight")[0] = math.nan
    with pytest.raises(TrainingError, match=r"loss of step 1 is nan; lower the learning rate"):
        run.fit(tmp_path, replace(CONFIG, max_bad_steps=1))
    assert not list((tmp_path / "checkpoints").glob("*"))


def test_a_gradient_that_is_not_a_number_stops_before_it_reaches_the_weights(
    tmp_path: Path,
) -> None:
    run = tiny_run()
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    for parameter in run.model.connector.parameters():
        parameter.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(TrainingError, match="gradient of step 1"):
        run.fit(tmp_path, replace(CONFIG, max_bad_steps=1))
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_training_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing would be trained"):
        tiny_run().fit(tmp_path, rates())


def test_the_random_state_of_the_caller_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    tiny_run().fit(tmp_path, replace(CONFIG, epochs=1))
    assert torch.equal(torch.rand(4), expected)


def test_afterwards_the_model_carries_the_average(tmp_path: Path) -> None:
    averaged, plain = tiny_run(), tiny_run()
    averaged.fit(tmp_path / "averaged")
    plain.fit(tmp_path / "plain", replace(CONFIG, ema_decay=0.0))
    assert not averaged.model.training
    pairs = zip(averaged.model.parameters(), plain.model.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
