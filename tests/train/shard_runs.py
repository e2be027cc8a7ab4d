"""Runs whose processes share the model, and what becomes of them, as JSON.

    python -m tests.train.shard_runs FOLDER

One program for all, as in `rank_runs`.
"""

import argparse
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tests.train.rank_runs import (
    STILL,
    as_ranks,
    distance,
    sixteen,
    step_gradients,
    without_dropout,
)
from tests.train.sittings import timeless, train, whole
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run

from triptych.adapters import LoraConfig
from triptych.checkpoint.files import write_json
from triptych.objectives.mixture import Objectives
from triptych.train import PanelRates, TrainConfig
from triptych.train.contents import open_contents
from triptych.train.manifest import find_damage
from triptych.train.optimizer import freeze, set_training, trained_parameters
from triptych.train.passes import Passes
from triptych.train.ranks import join
from triptych.train.recomputing import set_recomputed
from triptych.train.sharding import Shards
from triptych.train.splitting import is_split, own_rows, whole_of
from triptych.train.step import gradients

SHARED = replace(CONFIG, sharded=True)
QUIET = replace(STILL, ema_decay=0.9, objectives=Objectives(), max_steps=4, validate_every=2)

KINDS: dict[str, TrainConfig] = {
    "adamw": QUIET,
    "muon": replace(QUIET, optimizer="muon"),
    "frozen": replace(QUIET, learning_rates=PanelRates(connector=3e-3)),
    "bfloat16": replace(QUIET, precision="bfloat16"),
    "packed and recomputed": replace(QUIET, pack_tokens=96, checkpointing=("vision", "language")),
    "lora": replace(
        QUIET,
        learning_rates=PanelRates(connector=3e-3, language=3e-3),
        lora=LoraConfig(rank=2),
    ),
}
"""Settings that are trained in one process and in two."""


def shared_gradients(folder: Path, batch_size: int, accumulate: int) -> None:
    """Write down the gradient of the sixteen, made by processes that share the model."""
    run, ranks = without_dropout(), join()
    panels = ("language",) if batch_size == 1 else ()
    config = replace(
        STILL,
        batch_size=batch_size,
        accumulate=accumulate,
        clip_norm=1e9,
        checkpointing=panels,
    )
    set_recomputed(run.model, config)
    freeze(run.model, config.learning_rates)
    set_training(run.model, config.learning_rates)
    shards = Shards(run.model, ranks)
    samples = sixteen(run.processor)[ranks.rank :: ranks.num_ranks]
    passes = Passes(run.model, run.processor, config).of(samples, torch.Generator())
    outcome = gradients(run.model, passes, config, 0, None, ranks, shards)
    named = trained_parameters(run.model)
    held = sum(own_rows(each).numel() for each in named.values())
    made = {n: whole_of(p.grad).flatten().tolist() for n, p in named.items() if p.grad is not None}
    shards.dissolve()
    write_json(
        folder / f"shared-{batch_size}-{ranks.num_ranks}-{ranks.rank}.json",
        {
            "loss": outcome.loss,
            "norm": outcome.norms.whole,
            "gradients": made,
            "held": held / sum(each.numel() for each in named.values()),
            "left split": [n for n, p in run.model.named_parameters() if is_split(p)],
        },
    )


def compare_gradients(folder: Path) -> dict[str, Any]:
    """How far gradients are from those of one forward pass in one process."""
    folder.mkdir()
    codes = as_ranks(1, lambda: step_gradients(folder, without_dropout(), 16, 1), folder)
    for num_ranks, batch_size in ((2, 16), (2, 1), (4, 4)):
        codes += as_ranks(
            num_ranks, lambda size=batch_size: shared_gradients(folder, size, 16 // size), folder
        )
    expected = json.loads((folder / "gradients-16-1-0.json").read_text())
    largest = max(abs(x) for each in expected["gradients"].values() for x in each)
    told: dict[str, Any] = {"codes": codes}
    for path in sorted(folder.glob("shared-*")):
        found = json.loads(path.read_text())
        assert found["gradients"].keys() == expected["gradients"].keys()
        far = max(
            abs(a - b) / largest
            for name, each in expected["gradients"].items()
            for a, b in zip(each, found["gradients"][name], strict=True)
        )
        told[path.stem] = {
            "gradients": far,
            "loss": abs(found["loss"] - expected["loss"]),
            "held": found["held"],
            "left split": found["left split"],
        }
    return told


def compare_runs(folder: Path) -> dict[str, Any]:
    """Short runs of every kind in one process and in two that share the model."""

    def work() -> None:
        name = "shared" if os.environ["WORLD_SIZE"] == "2" else "alone"
        for kind, config in KINDS.items():
            run = without_dropout()
            train(folder / kind / name, replace(config, sharded=True), run=run)
            tensors = {n: each.flatten().tolist() for n, each in run.model.state_dict().items()}
            write_json(folder / kind / f"{name}-{os.environ['RANK']}", tensors)

    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
    codes = as_ranks(1, work, folder) + as_ranks(2, work, folder)
    told: dict[str, Any] = {"codes": codes, "said": (folder / "log-0").read_text()}
    for kind in KINDS if not any(codes) else ():
        here = folder / kind
        lines = [timeless(here / name / "record.jsonl") for name in ("alone", "shared")]
        told[kind] = {
            "losses": [[line["loss"] for line in each] for each in lines],
            "weights": [distance(here / "alone-0", here / f"shared-{rank}") for rank in (0, 1)],
        }
    return told


def interrupted(
    folder: Path, name: str, fresh: TinyRun, numbers: dict[int, int], config: TrainConfig = SHARED
) -> dict[str, Any]:
    """Two processes of which some get a signal on the way."""
    run = folder / name
    run.mkdir(parents=True)

    def work() -> None:
        rank, count = int(os.environ["RANK"]), [0]

        def on_sample(index: int) -> None:
            count[0] += 1
            if count[0] == 15 and rank in numbers:
                os.kill(os.getpid(), numbers[rank])

        train(run, config, run=fresh, on_sample=on_sample)

    codes = as_ranks(2, work, run)
    return {
        "codes": codes,
        "checkpoints": [path.name for path in whole(run)],
        "damage": [found for path in whole(run) if (found := find_damage(path))],
        "said": "".join((run / f"log-{rank}").read_text() for rank in range(2)),
    }


def gone_on(run: Path, num_ranks: int, fresh: TinyRun, config: TrainConfig, end: Path) -> Any:
    """What becomes of a copy of a run that this many processes go on with."""
    copied = run.with_name(f"{run.name}-{num_ranks}")
    shutil.copytree(run, copied)
    codes = as_ranks(num_ranks, lambda: train(copied, config, run=fresh), copied)
    said = "".join((copied / f"log-{rank}").read_text() for rank in range(num_ranks))
    if any(codes):
        return {"codes": codes, "said": said}
    ours, theirs = last_tensors(copied), last_tensors(end)
    lines = [timeless(each / "record.jsonl") for each in (copied, end)]
    return {
        "codes": codes,
        "said": said,
        "files": sorted(path.name for path in whole(copied)[-1].iterdir()),
        "same names": ours.keys() == theirs.keys(),
        "differing": sum(not torch.equal(ours[n], each) for n, each in theirs.items()),
        "far": max(float((ours[n] - each).abs().max()) for n, each in theirs.items()),
        "same lines": lines[0] == lines[1],
        "losses": [[line["loss"] for line in each] for each in lines],
    }


def last_tensors(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of the last checkpoint, whole."""
    last = whole(run)[-1]
    stored = open_contents(last)
    tensors = {name: torch.zeros(shape) for name, shape in stored.shapes.items()}
    stored.fill(tensors)
    return tensors


def damage(run: Path) -> None:
    """Change a bit of the second process's shards in the last checkpoint."""
    path = whole(run)[-1] / "shard-00002-model-00001-of-00001.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def refused(folder: Path, fresh: TinyRun) -> dict[str, Any]:
    """The disk takes the shards of the second process once, and then no more."""
    run = folder / "refused"
    run.mkdir()

    def work() -> None:
        count, flush = [0], os.fsync

        def full(descriptor: int) -> None:
            count[0] += 1
            if count[0] > 1:
                raise OSError(28, "No space left on device")
            flush(descriptor)

        if os.environ["RANK"] == "1":  # which flushes nothing but its shards
            os.fsync = full
        train(run, SHARED, run=fresh)

    codes = as_ranks(2, work, run)
    return {
        "codes": codes,
        "checkpoints": sorted(path.name for path in (run / "checkpoints").iterdir()),
        "said": (run / "log-0").read_text(),
    }


def main() -> None:
    """Print what became of each as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    folder: Path = given.folder
    torch.set_num_threads(1)
    fresh = tiny_run()
    train(folder / "first", replace(CONFIG, max_steps=1))
    end, kill, term = folder / "end", signal.SIGKILL.value, signal.SIGTERM.value
    end.mkdir()
    told: dict[str, Any] = {}
    told["gradients"] = compare_gradients(folder / "gradients")
    told["runs"] = compare_runs(folder / "runs")
    told["end"] = as_ranks(2, lambda: train(end, SHARED, run=fresh), end)
    told["killed"] = interrupted(folder, "killed", fresh, {1: kill})
    told["stopped"] = interrupted(folder, "stopped", fresh, {1: term})
    told["again"] = {str(n): gone_on(folder / "killed", n, fresh, SHARED, end) for n in (2, 1, 4)}
    told["stopped again"] = gone_on(folder / "stopped", 2, fresh, SHARED, end)
    told["alone"] = interrupted(folder, "alone", fresh, {0: kill}, CONFIG)
    told["then shared"] = gone_on(folder / "alone", 2, fresh, SHARED, end)
    damage(folder / "killed")
    told["damaged"] = gone_on(folder / "killed", 3, fresh, SHARED, end)
    told["refused"] = refused(folder, fresh)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
