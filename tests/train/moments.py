"""Stop runs by a signal at chosen moments, and tell as JSON what became of each.

    python -m tests.train.moments FOLDER

One program for all, because importing costs more than the runs. Each run is brought to its moment,
gets its signals there, and is gone on with afterwards.
"""

import argparse
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from tests.train.sittings import (
    WITH_WORKERS,
    begin,
    end_of,
    find_differences,
    is_group_gone,
    train,
    whole,
)
from tests.train.tiny_run import TinyRun, tiny_run

from triptych.fusion.vlm import VLM
from triptych.train import TrainConfig, training_step
from triptych.train.manifest import find_damage

IN_PROCESS = replace(WITH_WORKERS, num_workers=0)
GRACE_S = 0.2
"""Of steps that are to be broken off; others have all the time they need."""
LONG_S = 600.0


@dataclass(slots=True)
class Outcome:
    """What became of a run that was stopped."""

    exit_code: int
    seconds: float
    """Between the signal and its end."""
    workers_left: bool
    checkpoints: list[str]
    damage: list[str]
    said: str
    differences: list[str]
    """From an undisturbed run, after going on."""


class Moments:
    """Brings a fresh run to a moment, in a process of its own."""

    def __init__(self, folder: Path, fresh: TinyRun) -> None:
        self.folder = folder
        self.fresh = fresh
        self.reached = folder / "reached"

    def stay(self, seconds: float) -> None:
        """Say that the moment has come, once, and stay in it."""
        if not self.reached.exists():
            self.reached.touch()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(0.01)

    def stop(
        self,
        name: str,
        work: Callable[[Path], None],
        *signals: signal.Signals,
        grace_s: float = 60.0,
        gap_s: float = 0.05,
    ) -> Outcome:
        """Run until the moment is reached, send the signals, go on, compare."""
        run, log = self.folder / name, self.folder / f"{name}.log"
        self.reached.unlink(missing_ok=True)
        training_step.GRACE_S = grace_s
        pid = begin(lambda: work(run), log)
        while not self.reached.exists():
            time.sleep(0.005)
        time.sleep(gap_s)
        started = time.monotonic()
        for number in signals:
            # A terminal sends Ctrl-C to all processes, workers too.
            (os.killpg if number == signal.SIGINT else os.kill)(pid, number)
            time.sleep(gap_s)
        code = end_of(pid)
        seconds = time.monotonic() - started
        left = not is_group_gone(pid)
        names = [path.name for path in whole(run)]
        damage = [what for path in whole(run) if (what := find_damage(path))]
        again = end_of(begin(lambda: train(run, run=self.fresh), log))
        differences = find_differences(run, self.folder / "whole") if again == 0 else [f"{again}"]
        return Outcome(code, seconds, left, names, damage, log.read_text(), differences)

    def in_a_step(self, seconds: float, config: TrainConfig = WITH_WORKERS) -> Callable:
        """In the forward pass of the seventh step."""

        def work(run: Path) -> None:
            calls = [0]

            def pause(*_: object) -> None:
                calls[0] += self.fresh.model.training
                if calls[0] == 13:  # two forward passes a step
                    self.stay(seconds)

            self.fresh.model.vision.register_forward_pre_hook(pause)
            train(run, config, run=self.fresh)

        return work

    def in_a_validation(self, run: Path) -> None:
        """In the second validation, after step 10."""
        calls = [0]

        def validate(model: VLM) -> dict[str, float]:
            calls[0] += 1
            torch.rand(3)
            if calls[0] == 2:
                self.stay(LONG_S)
            return self.fresh.validate(model)

        train(run, run=self.fresh, validate=validate)

    def in_a_save(self, run: Path) -> None:
        """Where the checkpoint of step 8 is being flushed."""
        flush = os.fsync

        def slow(file: int) -> None:
            if (run / "checkpoints" / "step-00000008.partial").exists():
                self.stay(0.3)
            flush(file)

        os.fsync = slow
        train(run, run=self.fresh)

    def waiting_for_data(self, config: TrainConfig) -> Callable:
        """While one sample takes for ever."""

        def work(run: Path) -> None:
            num_given = [0]

            def on_sample(index: int) -> None:
                num_given[0] += 1
                if num_given[0] == 12:
                    self.stay(LONG_S)

            train(run, config, run=self.fresh, on_sample=on_sample)

        return work


def stop_everywhere(folder: Path) -> dict[str, Outcome]:
    """Every moment, by name."""
    fresh = tiny_run()
    # Here, so that what torch imports on its first step is there for all that are forked.
    train(folder / "whole")
    at, term, interrupt = Moments(folder, fresh), signal.SIGTERM, signal.SIGINT
    waits, waits_here = at.waiting_for_data(WITH_WORKERS), at.waiting_for_data(IN_PROCESS)
    return {
        "step": at.stop("step", at.in_a_step(0.3), term),
        "slow step": at.stop("slow", at.in_a_step(LONG_S), interrupt, grace_s=GRACE_S),
        "validation": at.stop("validation", at.in_a_validation, term),
        "save": at.stop("save", at.in_a_save, term),
        "workers": at.stop("workers", waits, interrupt, grace_s=GRACE_S),
        "data": at.stop("data", waits_here, term, grace_s=GRACE_S),
        "twice": at.stop("twice", at.in_a_step(LONG_S, IN_PROCESS), term, term),
    }


def main() -> None:
    """Print all outcomes as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    print(json.dumps({name: asdict(each) for name, each in stop_everywhere(folder).items()}))


if __name__ == "__main__":
    main()
