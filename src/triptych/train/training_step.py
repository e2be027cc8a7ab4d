"""One step of a run: samples, their gradient, and then, at once, all that it changes."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from triptych.data.ledger import LeftOut
from triptych.fusion.vlm import VLM
from triptych.processor import Sample
from triptych.train.checkpoints import Progress
from triptych.train.norms import gates_of
from triptych.train.optimizer import rate_factor, set_rates, set_training
from triptych.train.record import Line
from triptych.train.run import Run
from triptych.train.source import count_notes
from triptych.train.step import Outcome, gradients
from triptych.train.workers import Maker

GRACE_S = 10.0
"""Time that a step may still take once the run was asked to stop; then it is thrown away."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a step did."""

    line: Line
    """Its line in the record."""
    notes: Sequence[LeftOut]
    """What was noted of the samples that it was made of."""


def training_step(run: Run, maker: Maker, progress: Progress) -> Learned:
    """Do the next step of a run, or throw it away as if it had never begun.

    Raises:
        BrokenOff: the run was asked to stop, and the step took longer than `GRACE_S` after that.
        WorkerLostError, RankLostError: who makes samples, or shares the step, is gone.
    """
    config, step, started = run.config, progress.step, time.monotonic()
    set_rates(run.optimizer, rate_factor(step, run.num_steps, config))
    set_training(run.model, config.learning_rates)
    torch.manual_seed(run.order.dropout_seed(step))
    with run.ranks.stop.breakable(GRACE_S):
        made = maker.take(step)
        notes = count_notes(run.source, run.order, step, made, run.ranks)
        with run.precision():
            samples, noticed = _rewritten(run, [each.sample for each in made], step)
            passes = run.passes_of(samples, step)
            outcome = gradients(run.model, passes, config, step, run.scale, run.ranks, run.shards)
    overflowed = _change(run, outcome, progress)
    progress.count("" if overflowed else outcome.fault, time.monotonic() - started)
    line = outcome.line(progress.step, progress.seconds, run.optimizer)
    line |= gates_of(run.model) | noticed
    if overflowed:
        line |= _told_overflow(run, step)
    elif outcome.fault:
        line |= _told_fault(run, line, outcome, samples)
    return Learned(line, notes)


def fault_of(line: Line) -> str:
    """Which number of a skipped step is none."""
    value = line["loss"] if line["skipped"] == "loss" else line["gradient_norm"]
    return f"the {line['skipped']} of step {line['step']} is {math.nan if value is None else value}"


def _rewritten(
    run: Run, samples: Sequence[Sample], step: int
) -> tuple[Sequence[Sample], dict[str, float]]:
    if run.rewrite is None or not isinstance(run.model, VLM):
        return samples, {}
    made, noticed = samples, dict[str, float]()
    with run.whole():
        if samples:
            made, noticed = run.rewrite(run.model, samples, run.order.step_generator(step))
    return made, run.ranks.mean(noticed, len(samples))


def _change(run: Run, outcome: Outcome, progress: Progress) -> bool:
    """Weights and their average, unless a number is none; whether float16 was left for that."""
    overflowed = run.scale.update() and outcome.fault == "gradient"
    if not outcome.fault:
        with run.in_contact():
            run.optimizer.step()
        run.average.update(progress.step)
    run.optimizer.zero_grad(set_to_none=True)
    run.scale.save(progress)
    progress.overflows += overflowed
    return overflowed


def _told_overflow(run: Run, step: int) -> Line:
    run.say(f"step {step + 1} overflows float16 and is left out; losses count less from now on")
    return {"overflowed": run.scale.now}


def _told_fault(run: Run, line: Line, outcome: Outcome, samples: Sequence[Sample]) -> Line:
    shares = run.ranks.exchange([sample.sample_id for sample in samples])
    ids = [each for share in shares for each in share]
    why: Line = {"skipped": outcome.fault, "samples": list(dict.fromkeys(ids))}
    run.say(f"step {line['step']} is skipped: {fault_of(line | why)}; the record names its samples")
    return why
