"""Runs of several processes, and what becomes of them, as JSON.

    python -m tests.train.rank_runs FOLDER

One program for all, because importing costs more than the runs: processes are forked from it and
meet on a port of this machine.
"""

import argparse
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tests.train import test_pairs_stage
from tests.train.sittings import begin, end_of, find_differences, timeless, train, whole
from tests.train.tiny_run import CONFIG, TinyRun, tiny_run

from triptych.checkpoint.files import write_json
from triptych.data.worlds.shapes import draw_shapes
from triptych.objectives.mixture import PairObjectives
from triptych.processor import Processor, Sample, ask_about
from triptych.train.manifest import find_damage
from triptych.train.optimizer import freeze, set_training, trained_parameters
from triptych.train.passes import Passes
from triptych.train.ranks import Ranks, join
from triptych.train.step import gradients

STILL = replace(CONFIG, ema_decay=0.0)
"""For a model without dropout, which no number of processes may change."""

CUTS = ((16, 1), (4, 4), (1, 16))
"""Samples of a forward pass, and forward passes of a step."""


def as_ranks(num_ranks: int, work: Callable[[], None], folder: Path) -> list[int]:
    """Do the same in several processes; their exit codes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    pids: list[int] = []
    for rank in range(num_ranks):
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num_ranks)}
        pids.append(begin(work, folder / f"log-{rank}"))
    os.environ["WORLD_SIZE"] = "1"
    return [end_of(pid) for pid in pids]


def without_dropout() -> TinyRun:
    """A run whose model is the same however it is cut."""
    run = tiny_run()
    for module in run.model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return run


def sixteen(processor: Processor) -> list[Sample]:
    """Samples of all lengths; every second one, which is all of the second process, has no picture,
    and one no label."""
    samples = []
    for index in range(16):
        drawn = draw_shapes(index, size=32, seed=2)
        encoded = processor.encode_answers(
            ask_about([drawn.picture_id]),
            drawn.captions[: 1 + index % 3],
            sample_id=str(index),
            features=[processor.encode_image(drawn.image)],
        )
        samples.append(without_picture(encoded) if index % 2 else encoded)
    samples[3] = replace(samples[3], labels=[-100] * len(samples[3].labels))
    return samples


def without_picture(sample: Sample) -> Sample:
    """The text of a sample alone."""
    [span] = sample.spans
    kept = [i for i in range(len(sample.token_ids)) if i - span.start not in range(span.num_slots)]
    return replace(
        sample,
        token_ids=[sample.token_ids[i] for i in kept],
        labels=[sample.labels[i] for i in kept],
        branches=[sample.branches[i] for i in kept],
        position_ids=sample.position_ids[..., kept],
        images=(),
        spans=(),
    )


def step_gradients(folder: Path, run: TinyRun, batch_size: int, accumulate: int) -> None:
    """Write down the gradient of the sixteen, or of this process's share of them."""
    ranks: Ranks = join()
    config = replace(STILL, batch_size=batch_size, accumulate=accumulate, clip_norm=1e9)
    freeze(run.model, config.learning_rates)
    set_training(run.model, config.learning_rates)
    run.model.zero_grad(set_to_none=True)
    samples = sixteen(run.processor)[ranks.rank :: ranks.num_ranks]
    passes = Passes(run.model, run.processor, config).of(samples, torch.Generator())
    outcome = gradients(run.model, passes, config, 0, None, ranks)
    named = trained_parameters(run.model)
    made = {n: p.grad.flatten().tolist() for n, p in named.items() if p.grad is not None}
    write_json(
        folder / f"gradients-{batch_size}-{ranks.num_ranks}-{ranks.rank}.json",
        {"loss": outcome.loss, "labels": outcome.num_labels, "gradients": made},
    )


def compare_gradients(folder: Path, run: TinyRun) -> dict[str, Any]:
    """Largest differences from one forward pass in one process, relative to the largest entry."""

    def work() -> None:
        for cut in CUTS:
            step_gradients(folder, run, *cut)

    codes = as_ranks(1, work, folder) + as_ranks(2, work, folder)
    expected = json.loads((folder / "gradients-16-1-0.json").read_text())
    differences = {}
    for path in sorted(folder.glob("gradients-*.json")):
        found = json.loads(path.read_text())
        assert found["gradients"].keys() == expected["gradients"].keys(), path
        scale = max(abs(x) for each in expected["gradients"].values() for x in each)
        differences[path.stem] = {
            "loss": abs(found["loss"] - expected["loss"]),
            "labels": found["labels"] - expected["labels"],
            "gradients": max(
                abs(a - b) / scale
                for name, each in expected["gradients"].items()
                for a, b in zip(each, found["gradients"][name], strict=True)
            ),
        }
    return {"codes": codes, "differences": differences}


def compare_runs(folder: Path) -> dict[str, Any]:
    """A whole run in one process, and in two that are given a broken sample on the way."""

    def work(name: str) -> Callable[[], None]:
        return lambda: train(folder / name, STILL, run=without_dropout())

    (folder / "one").mkdir(parents=True)
    codes = as_ranks(1, work("one"), folder) + as_ranks(2, work("two"), folder)
    one, two = (timeless(folder / name / "record.jsonl") for name in ("one", "two"))
    ledgers = [timeless(folder / name / "ledger.jsonl") for name in ("one", "two")]
    return {
        "codes": codes,
        "said": (folder / "log-1").read_text(),
        "losses": [[line["loss"] for line in lines] for lines in (one, two)],
        "validated": [[line.get("val_loss") for line in lines] for lines in (one, two)],
        "labels": [[line["labels"] for line in lines] for lines in (one, two)],
        "equal ledgers": ledgers[0] == ledgers[1] and bool(ledgers[0]),
    }


def compare_matchers(folder: Path) -> dict[str, Any]:
    """A matcher that compares two pairs at a time, four a step, in one process and in two."""
    config = replace(
        test_pairs_stage.CONFIG,
        epochs=3,
        batch_size=2,
        accumulate=2,
        objectives=PairObjectives(matching=0.0, label_smoothing=0.0),
        validate_every=3,
    )

    def work(name: str) -> Callable[[], None]:
        def train_one() -> None:
            test_pairs_stage.train(test_pairs_stage.stage_1(), folder / name, config)

        return train_one

    folder.mkdir()
    codes = as_ranks(1, work("one"), folder) + as_ranks(2, work("two"), folder)
    one, two = (timeless(folder / name / "record.jsonl") for name in ("one", "two"))
    names = ("contrasting", "captioning", "gradient_norm")
    return {
        "codes": codes,
        "numbers": [[[line[name] for name in names] for line in lines] for lines in (one, two)],
    }


def disturbed(
    folder: Path, name: str, fresh: TinyRun, numbers: dict[int, int], again: int = 2
) -> dict[str, Any]:
    """Two processes of which some get a signal at their ninth sample; then others go on."""
    run = folder / name
    run.mkdir(parents=True)

    def work() -> None:
        rank, count = int(os.environ["RANK"]), [0]

        def on_sample(index: int) -> None:
            count[0] += 1
            if count[0] == 15 and rank in numbers:
                os.kill(os.getpid(), numbers[rank])

        train(run, CONFIG, run=fresh, on_sample=on_sample)

    codes = as_ranks(2, work, run)
    checkpoints = [path.name for path in whole(run)]
    damage = [found for path in whole(run) if (found := find_damage(path))]
    said = "".join((run / f"log-{rank}").read_text() for rank in range(2))
    codes_again = as_ranks(again, lambda: train(run, CONFIG, run=fresh), run)
    lines = timeless(run / "record.jsonl")
    return {
        "codes": codes,
        "checkpoints": checkpoints,
        "damage": damage,
        "said": said,
        "codes again": codes_again,
        "steps": [line["step"] for line in lines],
        "differences": find_differences(run, folder / "whole") if again == 2 else [],
    }


def one_bad_rank(folder: Path, fresh: TinyRun) -> dict[str, Any]:
    """The second process's third sample is no number."""

    def spoiled() -> TinyRun:
        run = tiny_run()
        if os.environ["RANK"] == "1":
            run = replace(run, source=Spoiled(run.source))
        return run

    run = folder / "bad"
    run.mkdir()
    codes = as_ranks(2, lambda: train(run, CONFIG, run=spoiled()), run)
    lines = timeless(run / "record.jsonl")
    return {"codes": codes, "skipped": [line["step"] for line in lines if "skipped" in line]}


class Spoiled:
    """A source one of whose samples is no number."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.count = 0

    def __len__(self) -> int:
        return len(self.source)

    def lengths(self) -> tuple[int, ...] | None:
        """As the source says."""
        return self.source.lengths()

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """The sample; the third has pixels that are none."""
        self.count += 1
        sample = self.source.sample(index, generator)
        if self.count != 3:
            return sample
        image = replace(sample.images[0], pixels=sample.images[0].pixels * torch.nan)
        return replace(sample, images=(image,))


def main() -> None:
    """Print what became of each as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    fresh = tiny_run()
    # Here, so that what torch imports on its first step is there for all that are forked.
    train(folder / "first", replace(CONFIG, max_steps=1))
    whole_run = folder / "whole"
    whole_run.mkdir()
    told = {"gradients": compare_gradients(folder, without_dropout())}
    told["runs"] = compare_runs(folder / "runs")
    told["matchers"] = compare_matchers(folder / "matchers")
    told["whole"] = {"codes": as_ranks(2, lambda: train(whole_run, CONFIG, run=fresh), whole_run)}
    kill, term = signal.SIGKILL.value, signal.SIGTERM.value
    told["killed"] = disturbed(folder, "killed", fresh, {0: kill, 1: kill})
    told["stopped"] = disturbed(folder, "stopped", fresh, {1: term})
    told["lost"] = disturbed(folder, "lost", fresh, {1: kill}, again=1)
    told["bad"] = one_bad_rank(folder, fresh)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
