"""Checkpoints of a run: everything that going on needs, in folders that are whole or absent.

    checkpoints/step-00000400/   config.json, model.safetensors, tokenizer.json   the weights
                                 training.safetensors   optimizer, weight average
                                 training.json          step, scores, what is still owed
                                 manifest.json          checksums of them all

The last two are kept, and the best. A folder is filled under another name, flushed, and renamed; a
newer one is complete before an older one goes. When the newest turns out to be damaged it is set
aside, and the one before it is taken. No pickle: optimizer state is stored as named tensors. With
adapters a checkpoint holds the three files of `triptych.checkpoint.adapter_folder` instead of the
model's: what is trained, and no more. Ranks that share the model write a file of shards each
instead, and any number of ranks goes on from either, see `triptych.train.contents`.
"""

import shutil
from dataclasses import asdict, dataclass, fields
from functools import partial as bound
from pathlib import Path
from typing import Any

import torch

from triptych.adapters import Adapters
from triptych.architectures.architecture import Architecture
from triptych.architectures.scorer import ScorerArchitecture
from triptych.checkpoint.adapter_folder import check_note, write_adapter_files, write_note
from triptych.checkpoint.files import (
    PARTIAL,
    REPLACED,
    read_json,
    read_tensors,
    recover_folder,
    replacing_folder,
    write_json,
    write_tensors,
)
from triptych.checkpoint.model_folder import WEIGHTS, write_model_files
from triptych.errors import CheckpointError, UsageError
from triptych.text import Tokenizer
from triptych.train.average import WeightAverage
from triptych.train.contents import TENSORS, restore, training_tensors, weights_of
from triptych.train.joint_saving import save_together
from triptych.train.manifest import find_damage, seal
from triptych.train.passes import Trained
from triptych.train.ranks import Ranks
from triptych.train.record import say

STATE = "training.json"

REMOVED = ".removed"
"""Suffix of a checkpoint that is being deleted."""

DAMAGED = ".damaged"
"""Suffix of a checkpoint that failed its checksums."""

NUM_KEPT = 2
"""Newest checkpoints that are kept; the best one is kept besides."""


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
    best_saved: int = 0
    """Step of the best checkpoint that is on the disk; 0 if none is."""
    bad_steps: int = 0
    """Steps just now, in a row, that were skipped for a loss or gradient that was no number."""
    overflows: int = 0
    """Steps so far that were skipped because the scaled loss of float16 was too large."""
    loss_scale: dict[str, float] | None = None
    """What that scale is, and what it depends on."""
    unvalidated: dict[str, Any] | None = None
    """Line of the record of the last step, if the run was stopped before its validation ended."""

    def count(self, fault: str, seconds: float) -> None:
        """A step is done, or skipped for a fault."""
        self.step += 1
        self.seconds += seconds
        self.bad_steps = self.bad_steps + 1 if fault else 0


def find_checkpoints(folder: Path) -> list[int]:
    """Steps of the run in this folder that have a checkpoint, earliest first."""
    names = {path.name.removesuffix(REPLACED) for path in folder.glob("checkpoints/step-*")}
    return sorted(int(name[5:]) for name in names if name[5:].isdigit())


def has_checkpoint(folder: Path) -> bool:
    """Whether the run in this folder can be gone on with."""
    return bool(find_checkpoints(folder))


def refuse_to_replace(folder: Path) -> None:
    """Stop a fresh run in the folder of one that has got somewhere.

    Raises:
        UsageError: there are checkpoints.
    """
    if steps := find_checkpoints(folder):
        raise UsageError(
            f"{folder} holds a run that got to step {steps[-1]}; add --resume to go on with it, or "
            "name another folder with --out"
        )


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one run, in the folder `checkpoints` of its own folder."""

    run: Path
    architecture: Architecture | ScorerArchitecture
    tokenizer: Tokenizer
    adapters: Adapters | None = None
    shared_by: Ranks | None = None
    """The ranks that share the model, where each writes its own shards; None where the first of
    them, or the only one, writes it whole."""

    @property
    def folder(self) -> Path:
        return self.run / "checkpoints"

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step is."""
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, earliest first."""
        return find_checkpoints(self.run)

    def save(
        self, average: WeightAverage, optimizer: torch.optim.Optimizer, progress: Progress
    ) -> None:
        """Write a checkpoint of this step, then remove those that are no longer needed.

        Raises:
            OSError: the disk refuses it; the earlier checkpoints are as they were.
        """
        is_best = progress.best_score is not None and progress.best_step == progress.step
        best_saved = progress.step if is_best else progress.best_saved
        state = asdict(progress) | {"best_saved": best_saved}
        tensors = training_tensors(average, optimizer, progress.step)
        if self.shared_by is None:
            with replacing_folder(self.path(progress.step)) as partial:
                self._write_weights(partial, average.model)
                write_tensors(partial / TENSORS, tensors)
                write_json(partial / STATE, state)
                seal(partial)
        else:
            weights = weights_of(average, self.adapters)
            tensors |= {f"model.{name}": each for name, each in weights.items()}
            fill = bound(self._write_besides_shards, state)
            save_together(self.shared_by, self.path(progress.step), progress.step, tensors, fill)
        progress.best_saved = best_saved
        if self.shared_by is None or self.shared_by.is_first:
            self._remove_old(best_saved)

    def load_last(self, average: WeightAverage, optimizer: torch.optim.Optimizer) -> Progress:
        """Put the last whole checkpoint back into model, average and optimizer.

        Raises:
            CheckpointError: there is none, or it does not belong to this model.
        """
        self._tidy()
        path = self.path(self._last_whole())
        if self.adapters is not None:
            check_note(path, self.adapters)
        restore(path, average, optimizer, self.adapters)
        state, known = read_json(path / STATE), {each.name for each in fields(Progress)}
        return Progress(**{name: value for name, value in state.items() if name in known})

    def clear(self) -> None:
        """Remove what a run left that never finished a checkpoint."""
        for path in list(self.folder.glob("step-*")):
            shutil.rmtree(path)

    def _write_weights(self, folder: Path, model: Trained) -> None:
        if self.adapters is None:
            write_model_files(folder, self.architecture, model, self.tokenizer)
        else:
            write_adapter_files(folder, self.adapters)

    def _write_besides_shards(self, state: dict[str, Any], folder: Path) -> None:
        write_json(folder / STATE, state)
        if self.adapters is not None:
            write_note(folder, self.adapters)

    def _last_whole(self) -> int:
        """The last step whose checkpoint is as it was written; damaged ones are set aside."""
        damaged: list[tuple[Path, str]] = []
        for step in reversed(self.steps()):
            path = self.path(step)
            damage = _find_damage(path)
            if not damage:
                for each, what in damaged:
                    _set_aside(each, what, path.name)
                return step
            damaged.append((path, damage))
        if damaged:
            listed = "; ".join(f"{path.name}: {what}" for path, what in damaged)
            raise CheckpointError(
                f"no checkpoint in {self.folder} is whole ({listed}); start again in another folder"
            )
        raise CheckpointError(
            f"{self.folder} holds no checkpoint to resume from; start without --resume"
        )

    def _remove_old(self, best: int) -> None:
        for step in self.steps()[:-NUM_KEPT]:
            path = self.path(step)
            try:
                if step != best:
                    _remove(path.rename(path.with_name(path.name + REMOVED)))
            except OSError as error:
                say(f"the old checkpoint {path} cannot be removed: {error}")

    def _tidy(self) -> None:
        """Finish what a crash left half done between two names of a folder."""
        for path in self.folder.glob(f"step-*{REPLACED}"):
            recover_folder(path.with_name(path.name.removesuffix(REPLACED)))
        for suffix in (REMOVED, PARTIAL):
            for path in self.folder.glob(f"step-*{suffix}"):
                _remove(path)


def _remove(path: Path) -> None:
    # What cannot be deleted now is tried again by the next resume; nothing depends on it.
    shutil.rmtree(path, ignore_errors=True)


def _find_damage(path: Path) -> str:
    damage = find_damage(path)
    if not damage or (path / "manifest.json").exists():
        return damage
    return _find_damage_without_manifest(path)


def _find_damage_without_manifest(path: Path) -> str:
    """Checkpoints of earlier versions had no checksums; they are whole if they can be read."""
    try:
        if "best_saved" in read_json(path / STATE):
            return "manifest.json is missing"
        for name in (WEIGHTS, TENSORS):
            read_tensors(path / name)
    except CheckpointError as error:
        return str(error)
    return ""


def _set_aside(path: Path, damage: str, instead: str) -> None:
    aside = path.with_name(path.name + DAMAGED)
    shutil.rmtree(aside, ignore_errors=True)
    path.rename(aside)
    say(
        f"the checkpoint {path} is damaged: {damage}; it is set aside as {aside.name}, and the run "
        f"goes on from {instead} instead"
    )
