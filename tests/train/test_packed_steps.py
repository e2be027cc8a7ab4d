"""Steps whose samples share rows teach what the same samples alone teach."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.sittings import find_differences, train
from tests.train.test_seeing_stage import described
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run
from torch import Tensor

from triptych.errors import ConfigError
from triptych.processor import Sample
from triptych.train import TrainConfig
from triptych.train.passes import Passes, into_batches
from triptych.train.record import read_record
from triptych.train.step import Outcome, gradients

LONGEST = 96
"""Tokens of a row; about three samples fit."""

PACKED = replace(CONFIG, pack_tokens=LONGEST)


def samples(run: TinyRun) -> list[Sample]:
    return [run.source.sample(i, torch.Generator().manual_seed(i)) for i in range(5)]


def learned(
    run: TinyRun, config: TrainConfig, chosen: list[Sample]
) -> tuple[Outcome, dict[str, Tensor]]:
    """What a step says and its gradients, without dropout and without clipping."""
    run.model.eval().zero_grad()
    config = replace(config, clip_norm=1e9)
    passes = Passes(run.model, run.processor, config).of(chosen, torch.Generator())
    outcome = gradients(run.model, passes, config, step=0)
    return outcome, {
        name: each.grad.clone()
        for name, each in run.model.named_parameters()
        if each.grad is not None
    }


def test_the_rows_of_a_step_hold_every_sample_once_and_no_padding() -> None:
    run = tiny_run()
    chosen = samples(run)
    batches = into_batches(chosen, run.processor, PACKED)
    assert 1 < len(batches) < len(chosen)
    assert all(bool(batch.token_mask.all()) for batch in batches)
    assert max(batch.token_ids.shape[1] for batch in batches) <= LONGEST
    num_tokens = sum(len(sample.token_ids) for sample in chosen)
    assert sum(batch.token_ids.numel() for batch in batches) == num_tokens


@pytest.mark.parametrize("seeing", [0.0, 0.5])
def test_a_packed_step_has_the_loss_and_gradients_of_its_samples_alone(seeing: float) -> None:
    run = described()
    config = replace(CONFIG, objectives=replace(CONFIG.objectives, seeing=seeing), batch_size=1)
    chosen = samples(run)
    alone, expected = learned(run, config, chosen)
    packed, found = learned(run, replace(config, pack_tokens=LONGEST), chosen)
    assert packed.num_labels == alone.num_labels
    assert packed.num_tokens == alone.num_tokens
    # Sums in another order: worst differences seen 2e-7 and 4e-7.
    assert packed.loss == pytest.approx(alone.loss, rel=1e-6)
    assert packed.further == pytest.approx(alone.further, rel=1e-6)
    assert found.keys() == expected.keys()
    for name, each in expected.items():
        scale = float(each.abs().max().clamp(min=1))
        assert float((found[name] - each).abs().max()) <= 2e-6 * scale, name


def test_a_packed_run_with_workers_equals_one_without(tmp_path: Path) -> None:
    train(tmp_path / "with", replace(PACKED, num_workers=2, epochs=2))
    train(tmp_path / "without", replace(PACKED, epochs=2))
    assert find_differences(tmp_path / "with", tmp_path / "without") == []


def test_a_packed_epoch_counts_what_a_padded_one_counts(tmp_path: Path) -> None:
    for name, config in (("packed", PACKED), ("padded", CONFIG)):
        train(tmp_path / name, replace(config, epochs=1))
    packed, padded = (
        read_record(tmp_path / name / "record.jsonl") for name in ("packed", "padded")
    )
    for what in ("images", "tokens", "labels"):
        assert sum(line[what] for line in packed) == sum(line[what] for line in padded), what


def test_rows_that_are_too_short_are_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pack_tokens is 12, but a sample has \d+ tokens; make"):
        tiny_run().fit(tmp_path, replace(CONFIG, pack_tokens=12))
    with pytest.raises(ConfigError, match="pack_tokens must be at least 0, got -1"):
        replace(CONFIG, pack_tokens=-1)


class OfUnknownLength:
    """A source that does not know how long its samples are."""

    def __init__(self, run: TinyRun) -> None:
        self.sample = run.source.sample

    def __len__(self) -> int:
        return 11

    def lengths(self) -> None:
        """Unknown."""


def test_samples_of_unknown_length_may_be_as_long_as_the_model_reads(tmp_path: Path) -> None:
    run = tiny_run()
    run = replace(run, source=OfUnknownLength(run))
    with pytest.raises(ConfigError, match="a sample may have 2048 tokens"):
        run.fit(tmp_path, replace(CONFIG, pack_tokens=2047))
