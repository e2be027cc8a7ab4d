"""Training on what visual tokens show, alone and beside answers."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run

from triptych.config import from_dict, to_dict
from triptych.errors import ConfigError, TrainingError
from triptych.inputs import VisualLabels
from triptych.objectives.mixture import Objectives
from triptych.processor import Sample
from triptych.train import TrainConfig
from triptych.train.record import read_record

SEEING = Objectives(answering=0.0, seeing=1.0)


class Described:
    """A source whose pictures all show the same two words."""

    def __init__(self, run: TinyRun) -> None:
        self.source = run.source

    def __len__(self) -> int:
        return len(self.source)

    def lengths(self) -> tuple[int, ...] | None:
        return self.source.lengths()

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        sample = self.source.sample(index, generator)
        count = sample.spans[0].num_slots
        labels = VisualLabels(
            words=torch.tensor([[[7, 9]]]).expand(count, 1, 2),
            weights=torch.ones(count, 1),
            edges=torch.full((count, 4), math.nan),
        )
        return replace(sample, visual_labels=(labels,))


def described() -> TinyRun:
    run = tiny_run()
    return replace(run, source=Described(run))


def test_seeing_alone_moves_no_block_of_language(tmp_path: Path) -> None:
    run = described()
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.fit(tmp_path, replace(CONFIG, objectives=SEEING, epochs=12))
    moved = {n for n, t in run.model.state_dict().items() if not torch.equal(t, before[n])}
    assert {n.split(".")[0] for n in moved} == {"vision", "connector", "language"}
    assert not {n for n in moved if n.startswith("language.blocks")}
    losses = [line["loss"] for line in read_record(tmp_path / "record.jsonl")]
    assert losses[-1] < losses[0] - 1
    assert losses[-1] >= math.log(2)


def test_beside_answers_both_are_learned_and_told_apart(tmp_path: Path) -> None:
    run, plain = described(), tiny_run()
    run.fit(tmp_path / "both", replace(CONFIG, objectives=replace(CONFIG.objectives, seeing=1.0)))
    plain.fit(tmp_path / "plain", CONFIG)
    both, alone = (read_record(tmp_path / name / "record.jsonl") for name in ("both", "plain"))
    assert both[0]["loss"] == alone[0]["loss"]
    assert both[-1]["loss"] != alone[-1]["loss"]
    assert both[-1]["seeing"] < both[0]["seeing"]
    assert "seeing" not in alone[0]


def test_accumulated_passes_share_the_loss_of_seeing(tmp_path: Path) -> None:
    seen: list[float] = []
    for name, sizes in (("small", (1, 4)), ("large", (4, 1))):
        run = described()
        config = replace(CONFIG, objectives=SEEING, epochs=1)
        run.fit(tmp_path / name, replace(config, batch_size=sizes[0], accumulate=sizes[1]))
        seen.append(read_record(tmp_path / name / "record.jsonl")[0]["loss"])
    assert seen[0] == pytest.approx(seen[1], rel=1e-5)


def test_a_step_whose_pictures_nobody_described_has_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="step 1 has nothing to learn from seeing; train on"):
        tiny_run().fit(tmp_path, replace(CONFIG, objectives=SEEING))


def test_settings_of_before_objectives_are_refused_in_a_sentence() -> None:
    old = to_dict(CONFIG) | {"seeing": 1.0}
    with pytest.raises(ConfigError, match="TrainConfig has no key 'seeing'"):
        from_dict(TrainConfig, old)


def test_a_stage_without_any_objective_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing would be learned"):
        Objectives(answering=0.0)
