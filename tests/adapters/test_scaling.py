"""Training in float16: losses are scaled, and a step that overflows is left out, not lost."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, NUM_STEPS, TinyRun, samples_before, tiny_run
from torch import nn

from triptych.train import scaling
from triptych.train.checkpoints import Progress
from triptych.train.record import read_record
from triptych.train.scaling import LossScale

HALF = replace(CONFIG, precision="float16")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyRun, Progress, Path]:
    """A run whose first scale is far too large."""
    folder, run = tmp_path_factory.mktemp("whole"), tiny_run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "INITIAL", 2.0**24)
        progress = run.fit(folder, HALF)
    return run, progress, folder


def curve(folder: Path) -> list[dict[str, object]]:
    """The record as it is written, without what depends on the clock."""
    lines = read_record(folder / "record.jsonl")
    return [{name: str(each) for name, each in line.items() if name != "seconds"} for line in lines]


def test_steps_that_overflow_are_told_apart_from_bad_ones(whole):
    _, progress, folder = whole
    lines = read_record(folder / "record.jsonl")
    overflowed = [line for line in lines if "overflowed" in line]
    assert 0 < len(overflowed) == progress.overflows < NUM_STEPS // 2
    assert progress.bad_steps == 0
    assert not any("skipped" in line for line in lines)
    halves = [2.0 ** (23 - count) for count in range(len(overflowed))]
    assert [line["overflowed"] for line in overflowed] == halves
    assert all(math.isfinite(line["loss"]) for line in lines)


def test_it_learns_all_the_same(whole):
    losses = [line["loss"] for line in read_record(whole[2] / "record.jsonl")]
    assert sum(losses[-3:]) / 3 < losses[0] - 0.1


def test_a_step_that_overflows_changes_no_weight(tmp_path, monkeypatch):
    monkeypatch.setattr(scaling, "INITIAL", 2.0**60)
    run = tiny_run()
    progress = run.fit(tmp_path, replace(HALF, max_steps=2))
    assert progress.overflows == 2
    for name, tensor in tiny_run().model.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], tensor), name


def test_a_run_goes_on_with_the_scale_that_it_had(whole, tmp_path, monkeypatch):
    expected, progress, folder = whole

    def dying(count: int) -> None:
        if count == samples_before(6) + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scaling, "INITIAL", 2.0**24)
        tiny_run().fit(tmp_path, HALF, before_sample=dying)
    run = tiny_run()
    assert run.fit(tmp_path, HALF, resume=True).loss_scale == progress.loss_scale
    assert curve(tmp_path) == curve(folder)
    for name, tensor in expected.model.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], tensor), name


def scale_of(layer: nn.Linear, *, enabled: bool = True) -> LossScale:
    return LossScale(torch.optim.SGD(layer.parameters(), lr=1.0), "cpu", enabled=enabled)


def test_gradients_come_out_as_if_nothing_had_been_scaled():
    layer = nn.Linear(3, 2)
    hidden = torch.tensor([[1.0, 2.0, 3.0]])
    expected = torch.autograd.grad(layer(hidden).square().sum(), layer.weight)[0]
    scale = scale_of(layer)
    scale.scaled(layer(hidden).square().sum()).backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, expected * 2.0**16)
    scale.unscale()
    assert torch.equal(layer.weight.grad, expected)
    assert not scale.update()


@pytest.mark.parametrize(("initial", "is_overflow"), [(2.0**16, True), (1.0, False)])
def test_a_gradient_that_is_none_at_the_least_scale_is_a_fault(initial, is_overflow, monkeypatch):
    monkeypatch.setattr(scaling, "INITIAL", initial)
    layer = nn.Linear(3, 2)
    scale = scale_of(layer)
    scale.scaled((layer(torch.ones(1, 3)) * math.inf).sum()).backward()
    scale.unscale()
    assert scale.update() == is_overflow


def test_elsewhere_nothing_is_scaled_or_written_down():
    layer, progress = nn.Linear(3, 2), Progress()
    scale = scale_of(layer, enabled=False)
    loss = layer(torch.ones(1, 3)).sum()
    assert scale.scaled(loss) is loss
    scale.unscale()
    assert not scale.update()
    scale.save(progress)
    assert progress.loss_scale is None
