"""Runs in processes of their own, which can be killed and gone on with.

A sitting is forked from a program that has imported everything and computes on one thread, so it
begins within milliseconds. Its run has all that resuming must bring back: dropout, augmentation, a
weight average, accumulation, two workers, validation, and a source that makes notes.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run

from triptych.checkpoint.files import read_tensors
from triptych.data.captions import CaptionSamples
from triptych.data.ledger import LeftOut
from triptych.errors import TriptychError
from triptych.fusion.vlm import VLM
from triptych.processor import Sample
from triptych.train import TrainConfig, fit
from triptych.train.checkpoints import find_checkpoints
from triptych.train.manifest import find_damage
from triptych.train.record import read_record

WITH_WORKERS = replace(CONFIG, num_workers=2)


class NotingSamples:
    """Samples that may come with a note, and may do something on the way."""

    def __init__(
        self, source: CaptionSamples, on_the_way: Callable[[int], None] = lambda index: None
    ) -> None:
        self.source = source
        self.on_the_way = on_the_way

    def __len__(self) -> int:
        return len(self.source)

    def lengths(self) -> tuple[int, ...] | None:
        """As the source says."""
        return self.source.lengths()

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """The sample alone."""
        return self.noted_sample(index, generator)[0]

    def noted_sample(
        self, index: int, generator: torch.Generator
    ) -> tuple[Sample, Sequence[LeftOut]]:
        """Every fifth sample has a note, which depends on its randomness."""
        self.on_the_way(index)
        sample = self.source.sample(index, generator)
        drawn = int(torch.randint(100, (), generator=generator))
        notes = [LeftOut(sample.sample_id, "shrunk", f"by {drawn}")] if index % 5 == 0 else []
        return sample, notes


def train(
    folder: Path,
    config: TrainConfig = WITH_WORKERS,
    *,
    run: TinyRun | None = None,
    on_sample: Callable[[int], None] = lambda index: None,
    validate: Callable[[VLM], dict[str, float]] | None = None,
) -> None:
    """One sitting: begin, or go on from the last checkpoint."""
    run = run or tiny_run()
    fit(
        run.architecture,
        run.model,
        run.processor,
        NotingSamples(run.source, on_sample),
        config,
        folder,
        validate=validate or run.validate,
        resume=bool(find_checkpoints(folder)),
    )


def begin(work: Callable[[], None], log: Path) -> int:
    """Fork a process that does this, in a group of its own; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = sys.stderr = os.fdopen(output, "a", buffering=1)
        work()
        code = 0
    except TriptychError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        code = error.exit_code
    except SystemExit as error:
        code = int(error.code or 0)
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def end_of(pid: int) -> int:
    """Wait for a process; its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_group_gone(pid: int, within_s: float = 10.0) -> bool:
    """Whether no process of a sitting, its workers among them, is left."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def find_differences(folder: Path, expected: Path) -> list[str]:
    """In what a finished run differs from another by as much as a bit."""
    found = [f"{path}: {damage}" for path in whole(folder) if (damage := find_damage(path))]
    for name in ("record.jsonl", "ledger.jsonl"):
        ours, theirs = (timeless(each / name) for each in (folder, expected))
        if ours != theirs:
            found.append(f"{name}: {len(ours)} lines, {len(theirs)} expected")
    last = whole(expected)[-1].name
    for name in ("model.safetensors", "training.safetensors"):
        ours, theirs = (
            read_tensors(each / "checkpoints" / last / name) for each in (folder, expected)
        )
        if ours.keys() != theirs.keys():
            found.append(f"{name}: other tensors")
        found += [f"{name}: {n}" for n in theirs if not torch.equal(ours[n], theirs[n])]
    return found


def whole(folder: Path) -> list[Path]:
    """The checkpoints of a run, earliest first."""
    return [folder / "checkpoints" / f"step-{step:08d}" for step in find_checkpoints(folder)]


def timeless(path: Path) -> list[dict[str, object]]:
    """The lines of a record without what depends on the clock."""
    return [{k: v for k, v in line.items() if k != "seconds"} for line in read_record(path)]


def told_by(module: str, folder: Path) -> dict[str, Any]:
    """What a module says of the runs that it makes in a folder, in a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", module, str(folder)],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)
