"""A run in one go beside one that dies and is gone on with."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from twins import make_task, shaped

from gpu.asking import answered
from gpu.stage import Found, Stage, noting_failure
from triptych.fusion.vlm import VLM
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.mixture import Objectives
from triptych.sequences import Sample
from triptych.train import PanelRates, TrainConfig, fit
from triptych.train.record import read_record

NUM_STEPS, STOP = 12, 6


def resume(stage: Stage, found: Found) -> None:
    """A run in one go, once more, and with a stop and a going on; for both optimizers."""
    stage.drop_models()
    equal: set[str] = set()
    for is_exact in (False, True):
        for optimizer in ("adamw", "muon"):
            if optimizer in equal:
                continue
            name = f"{optimizer}, deterministic kernels" if is_exact else optimizer
            found[name] = own = {}
            with noting_failure(own), _deterministic(is_exact):
                _compare_runs(stage, own, optimizer)
            if own.get("resumed", {}).get("is_equal"):
                equal.add(optimizer)


@contextmanager
def _deterministic(is_exact: bool) -> Generator[None]:
    torch.use_deterministic_algorithms(is_exact, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def _compare_runs(stage: Stage, found: Found, optimizer: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        straight = _trained(stage, root / "straight", optimizer)
        again = _trained(stage, root / "again", optimizer)
        found["again"] = _differences(straight, again)
        try:
            _trained(stage, root / "stopped", optimizer, dies_at=STOP + 2)
        except _Stopped:
            found["stopped_after"] = len(read_record(root / "stopped" / "record.jsonl"))
        resumed = _trained(stage, root / "stopped", optimizer, resume=True)
        found["resumed"] = _differences(straight, resumed)
        found["losses"] = [round(line["loss"], 4) for line in straight[0]]
        found["device"] = straight[2]


Trained = tuple[list[dict[str, Any]], dict[str, Tensor], str]


def _trained(
    stage: Stage, folder: Path, optimizer: str, *, dies_at: int = 0, resume: bool = False
) -> Trained:
    """Record, weights and device of a run."""
    architecture = shaped("debug" if stage.arguments.shape == "debug" else "mini")
    language = replace(architecture.model.language, dropout=0.1)
    architecture = replace(architecture, model=replace(architecture.model, language=language))
    processor = make_task(architecture, 112, 1, 0).processor
    source = _Source(answered(processor, 16, 112), dies_at)
    model = architecture.build(0)
    config = replace(RUN, optimizer=optimizer, device=stage.device)

    def validate(each: VLM) -> dict[str, float]:
        loss = language_modelling(each, processor.collate(source.samples[:4]))
        return {"val_loss": loss.nll / loss.num_tokens}

    fit(architecture, model, processor, source, config, folder, validate=validate, resume=resume)
    weights = {name: each.detach().cpu() for name, each in model.state_dict().items()}
    return read_record(folder / "record.jsonl"), weights, str(model.device)


RUN = TrainConfig(
    learning_rates=PanelRates(vision=1e-3, connector=1e-3, language=1e-3),
    epochs=100,
    batch_size=2,
    accumulate=2,
    max_steps=NUM_STEPS,
    precision="bfloat16",
    warmup_steps=3,
    objectives=Objectives(label_smoothing=0.1),
    ema_decay=0.9,
    validate_every=4,
    checkpoint_every=STOP,
)


class _Stopped(RuntimeError):
    """The run was to die here."""


@dataclass
class _Source:
    """Samples, and an end in the middle of a step where one is wanted."""

    samples: list[Sample]
    dies_at: int = 0
    """Step in which it dies, counted from 1; 0 for none."""
    count: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def lengths(self) -> tuple[int, ...]:
        return tuple(len(sample.token_ids) for sample in self.samples)

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        self.count += 1
        if self.dies_at and self.count > (self.dies_at - 1) * 4:
            raise _Stopped
        return self.samples[index]


def _differences(first: Trained, second: Trained) -> Found:
    lines = [
        [{name: v for name, v in line.items() if name != "seconds"} for line in trained[0]]
        for trained in (first, second)
    ]
    weights = {
        name: float((each.double() - second[1][name].double()).abs().max())
        for name, each in first[1].items()
    }
    losses = [abs(a["loss"] - b["loss"]) for a, b in zip(*lines, strict=True)]
    is_equal = lines[0] == lines[1] and not any(weights.values())
    return {
        "is_equal": is_equal,
        "steps": [len(each) for each in lines],
        "largest_loss_difference": max(losses),
        "first_step_that_differs": next((i + 1 for i, d in enumerate(losses) if d), None),
        "largest_weight_difference": max(weights.values()),
    }
