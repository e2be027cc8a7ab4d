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
from triptych.train import PanelRates
from triptych.train.manifest import find_damage
from triptych.train.meeting import Meeting
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


MATCHERS = {
    "all objectives": replace(test_pairs_stage.CONFIG, epochs=3, batch_size=4, validate_every=3),
    # The second forward pass of a step is one pair, which but one of several processes has.
    "without matching": replace(
        test_pairs_stage.CONFIG,
        epochs=3,
        batch_size=3,
        accumulate=2,
        objectives=PairObjectives(matching=0.0, label_smoothing=0.0),
        validate_every=3,
    ),
    "vision learns, too": replace(
        test_pairs_stage.CONFIG,
        learning_rates=PanelRates(vision=1e-3, connector=4e-3, fusion=4e-3),
        epochs=3,
        objectives=PairObjectives(matching=0.0, label_smoothing=0.0),
        validate_every=3,
    ),
}
"""Stages in which pairs are compared that lie on several processes."""


def compare_matchers(folder: Path) -> dict[str, Any]:
    """Matchers in one process, in two, in three, and in two that share the model."""

    def work() -> None:
        rank, size = os.environ["RANK"], os.environ["WORLD_SIZE"]
        for kind, config in MATCHERS.items():
            for shared in ("", "shared") if size == "2" else ("",):
                stage, place = test_pairs_stage.stage_1(), folder / kind / (size + shared)
                given = replace(config, sharded=bool(shared))
                test_pairs_stage.train(stage, place, given)
                if rank == "0":
                    weights = {n: p.flatten().tolist() for n, p in stage.model.named_parameters()}
                    write_json(place / "weights.json", weights)

    folder.mkdir()
    codes = [code for num_ranks in (1, 2, 3) for code in as_ranks(num_ranks, work, folder)]
    told: dict[str, Any] = {"codes": codes, "said": (folder / "log-0").read_text()}
    for kind, config in MATCHERS.items() if not any(codes) else ():
        names = (*config.objectives.learned, "gradient_norm")
        for name in ("1", "2", "3", "2shared"):
            place = folder / kind / name
            lines = timeless(place / "record.jsonl")
            told[f"{kind}, {name}"] = {
                "numbers": [[line[name] for name in names] for line in lines],
                "weights": distance(folder / kind / "1" / "weights.json", place / "weights.json"),
            }
    return told


def pair_gradients(folder: Path) -> None:
    """Write down the gradient of four pairs of a matcher, in float64, or what ranks make of it."""
    ranks, stage = join(), test_pairs_stage.stage_1()
    stage.model.double()
    config = replace(test_pairs_stage.CONFIG, batch_size=4, clip_norm=1e9)
    freeze(stage.model, config.learning_rates)
    set_training(stage.model, config.learning_rates)
    source = test_pairs_stage.Colours(stage)
    places = range(ranks.rank, 4, ranks.num_ranks)
    samples = [source.sample(place, torch.Generator()) for place in places]
    meeting = Meeting(ranks, lambda: None, stage.model.device, needs_features=True)
    passes = Passes(
        stage.model, stage.processor, config, meeting=meeting if ranks.num_ranks > 1 else None
    ).of(samples, torch.Generator().manual_seed(5), [places])
    gradients(stage.model, passes, config, 0, None, ranks)
    named = trained_parameters(stage.model)
    made = {n: p.grad.flatten().tolist() for n, p in named.items() if p.grad is not None}
    if ranks.is_first:
        write_json(folder / f"pairs-{ranks.num_ranks}.json", made)


def compare_pair_gradients(folder: Path) -> dict[str, Any]:
    """Largest differences from one process, relative to the largest entry of each parameter."""
    codes = [
        code
        for num_ranks in (1, 2, 3)
        for code in as_ranks(num_ranks, lambda: pair_gradients(folder), folder)
    ]
    made = [json.loads((folder / f"pairs-{n}.json").read_text()) for n in (1, 2, 3)]
    whole = [x for each in made[0].values() for x in each]
    return {
        "codes": codes,
        "same names": made[0].keys() == made[1].keys() == made[2].keys(),
        "scale": [each["fusion.log_scale"] for each in made],
        "far": [
            max(abs(a - b) for n in made[0] for a, b in zip(made[0][n], each[n], strict=True))
            / max(map(abs, whole))
            for each in made
        ],
    }


def distance(ours: Path, theirs: Path) -> float:
    """How far two models are from each other, relative to their size."""
    first, second = (json.loads(each.read_text()) for each in (ours, theirs))
    a, b = (torch.tensor([x for n in first for x in each[n]]) for each in (first, second))
    return float((a - b).norm() / a.norm())


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
    told["pairs"] = compare_pair_gradients(folder)
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
