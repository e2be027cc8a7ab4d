"""Kill runs at random moments, go on, and compare with a run that nobody disturbed.

    python -m tests.train.killing --kills 100 [--signals KILL TERM INT] [--seed 0] [--packed]

A run is killed again and again until it gets to its end; then the next one begins. Every sitting
must end as it was made to or of itself, no worker may outlive it, and every finished run must equal
the undisturbed one: weights, optimizer, weight average, all lines of record and ledger.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from tests.train.sittings import WITH_WORKERS, begin, end_of, find_differences, is_group_gone, train
from tests.train.tiny_run import tiny_run

from triptych.train import TrainConfig

CONFIG = replace(WITH_WORKERS, epochs=6)
"""18 steps of some milliseconds."""

PACKED = replace(CONFIG, pack_tokens=96)
"""The same with about three samples in a row."""


@dataclass(slots=True)
class Report:
    """What happened."""

    kills: int = 0
    runs: int = 0
    """Finished and compared."""
    failures: list[str] = field(default_factory=list[str])
    moments: dict[str, int] = field(default_factory=dict[str, int])
    """What the run was at when it was killed, as far as its folder shows."""
    seconds: float = 0.0


def kill_runs(
    folder: Path,
    num_kills: int,
    signals: Sequence[str],
    seed: int,
    config: TrainConfig = CONFIG,
) -> Report:
    """Disturb runs until `num_kills` have met one."""
    report, rng, started = Report(), random.Random(seed), time.monotonic()
    fresh, log = tiny_run(), folder / "log"

    def sit(run: Path) -> int:
        return begin(lambda: train(run, config, run=fresh), log)

    # Here, so that what torch imports on its first step is there for all that are forked.
    train(folder / "whole", config)
    begun = time.monotonic()
    assert end_of(sit(folder / "forked")) == 0
    length_s = time.monotonic() - begun
    report.failures += find_differences(folder / "forked", folder / "whole")
    while report.kills < num_kills and not report.failures:
        run = folder / f"run-{report.runs}"
        is_over = False
        while not is_over:
            pid = sit(run)
            # Some die at birth, most on the way, and every few sittings one gets to its end.
            time.sleep(rng.uniform(0, 0.6 * length_s))
            is_over = _disturb(pid, run, log, rng.choice(signals), report)
        if not report.failures:
            report.failures += find_differences(run, folder / "whole")
        report.runs += 1
        print(f"{report.kills} kills, {report.runs} runs compared", file=sys.stderr, flush=True)
    report.seconds = time.monotonic() - started
    return report


def _disturb(pid: int, run: Path, log: Path, name: str, report: Report) -> bool:
    """Send a signal to a sitting; whether the run is over."""
    moment = _moment(run)
    os.kill(pid, signal.Signals[f"SIG{name}"])
    code = end_of(pid)
    if not is_group_gone(pid):
        report.failures.append("a worker outlived its run")
    if code == 0:
        return True
    report.kills += 1
    report.moments[moment] = report.moments.get(moment, 0) + 1
    # A signal that comes before the run listens, or when it has stopped listening, just kills.
    number = signal.Signals[f"SIG{name}"].value
    if code not in (-number, 128 + number):
        report.failures.append(f"exit code {code} after SIG{name}: {log.read_text()[-2000:]}")
    return bool(report.failures)


def _moment(run: Path) -> str:
    if not (run / "record.jsonl").exists():
        return "before the first step"
    return "in a save" if list(run.glob("checkpoints/*.*")) else "elsewhere"


def main() -> None:
    """Print the report as JSON; exit code 1 if anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--signals", nargs="+", default=["KILL"], choices=("KILL", "TERM", "INT"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packed", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = PACKED if given.packed else CONFIG
        report = kill_runs(Path(folder), given.kills, given.signals, given.seed, config)
    print(json.dumps(asdict(report), indent=2))
    sys.exit(1 if report.failures else 0)


if __name__ == "__main__":
    main()
