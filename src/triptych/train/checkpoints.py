"""Checkpoints of a run: everything that going on needs, in folders that are whole or absent.

    checkpoints/step-00000400/   config.json, model.safetensors, tokenizer.json   the weights
                                 training.safetensors   optimizer, weight average, random state
                                 training.json          step, scores, learning-rate shares

No pickle: optimizer state is stored as named tensors.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.files import (
    load_state,
    read_json,
    read_tensors,
    replacing_folder,
    write_json,
    write_tensors,
)
from triptych.checkpoint.model_folder import WEIGHTS, write_model_files
from triptych.errors import CheckpointError
from triptych.text import Tokenizer
from triptych.train.average import WeightAverage
from triptych.train.optimizer import trained_parameters

STATE, TENSORS = "training.json", "training.safetensors"


@dataclass(slots=True)
class Progress:
    """Where a run stands."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Training time so far, over all its sittings."""
    best_score: float | None = None
    """Best validation score so far."""
    best_step: int = 0
    """Steps that had been done then."""


def has_checkpoint(folder: Path) -> bool:
    """Whether the run in this folder can be gone on with."""
    return any(folder.glob("checkpoints/step-*"))


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoint folder of one run."""

    folder: Path
    architecture: Architecture
    tokenizer: Tokenizer

    def save(
        self, average: WeightAverage, optimizer: torch.optim.Optimizer, progress: Progress
    ) -> Path:
        """Write a checkpoint of this step; older ones are removed, the best one is kept."""
        path = self.folder / f"step-{progress.step:08d}"
        with replacing_folder(path) as partial:
            write_model_files(partial, self.architecture, average.model, self.tokenizer)
            write_tensors(partial / TENSORS, _training_tensors(average, optimizer))
            write_json(
                partial / STATE,
                {
                    "step": progress.step,
                    "seconds": progress.seconds,
                    "best_score": progress.best_score,
                    "best_step": progress.best_step,
                },
            )
        for old in self.steps()[:-1]:
            if old != progress.best_step:
                shutil.rmtree(self.folder / f"step-{old:08d}")
        return path

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, earliest first."""
        found = self.folder.glob("step-*")
        return sorted(int(p.name[5:]) for p in found if p.name[5:].isdigit())

    def load_last(self, average: WeightAverage, optimizer: torch.optim.Optimizer) -> Progress:
        """Put the last checkpoint back into model, average, optimizer and random state.

        Raises:
            CheckpointError: there is none, or it does not belong to this model.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(
                f"{self.folder} holds no checkpoint to resume from; start without --resume"
            )
        path = self.folder / f"step-{steps[-1]:08d}"
        load_state(average.model, read_tensors(path / WEIGHTS), str(path / WEIGHTS))
        tensors = read_tensors(path / TENSORS)
        _restore(tensors, average, optimizer)
        return Progress(**read_json(path / STATE))

    def clear(self) -> None:
        """Remove all checkpoints, half-written ones too."""
        for path in list(self.folder.glob("step-*")):
            shutil.rmtree(path)


def _training_tensors(
    average: WeightAverage, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    tensors = {"random": torch.get_rng_state()}
    tensors |= {f"average.{name}": each for name, each in average.state().items()}
    for name, parameter in trained_parameters(average.model).items():
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{name}.{key}"] = torch.as_tensor(value)
    return tensors


def _restore(
    tensors: dict[str, Tensor], average: WeightAverage, optimizer: torch.optim.Optimizer
) -> None:
    average.load(
        {n.removeprefix("average."): t for n, t in tensors.items() if n.startswith("average.")}
    )
    for name, parameter in trained_parameters(average.model).items():
        prefix = f"optimizer.{name}."
        optimizer.state[parameter] = {
            key.removeprefix(prefix): value
            for key, value in tensors.items()
            if key.startswith(prefix) and "." not in key.removeprefix(prefix)
        }
    torch.set_rng_state(tensors["random"])
