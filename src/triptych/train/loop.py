"""The training loop, in one function that can be read from top to bottom.

    order -> samples -> batches -> loss -> gradients -> step -> record
                                                          |
                              now and then: validate, checkpoint

The loss of a step is the mean over all its supervised tokens, however they are spread over forward
passes. A run that is killed at any moment goes on from its last checkpoint as if nothing had
happened: order and augmentation are functions of the step, everything else is in the checkpoint.
"""

import math
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from triptych.architectures.architecture import Architecture
from triptych.errors import TrainingError
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.objectives.language_modelling import labelled_positions, language_modelling
from triptych.objectives.seeing import num_described, seeing
from triptych.processor import Processor, Sample
from triptych.train.average import WeightAverage
from triptych.train.checkpoints import Checkpoints, Progress
from triptych.train.config import TrainConfig
from triptych.train.optimizer import (
    build_optimizer,
    freeze,
    rate_factor,
    set_rates,
    set_training,
    trained_parameters,
)
from triptych.train.order import Order
from triptych.train.record import ProgressBar, Record


@runtime_checkable
class SampleSource(Protocol):
    """Training samples by number. The same number and randomness give the same sample."""

    def __len__(self) -> int: ...

    def sample(self, index: int, generator: torch.Generator) -> Sample: ...

    def lengths(self) -> tuple[int, ...] | None:
        """Tokens of every sample, if they are known beforehand; similar ones share a step."""
        ...


Rewrite = Callable[
    [VLM, Sequence[Sample], torch.Generator], tuple[Sequence[Sample], dict[str, float]]
]
"""Makes other samples of a step's samples with the help of the model, and says what it noticed."""

Validate = Callable[[VLM], dict[str, float]]
"""Scores of a model on held-out samples; `val_loss` decides which checkpoint is best."""


class Interrupted(TrainingError):
    """A run was asked to stop and has written a checkpoint."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of a run's folder that the loop writes."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "record.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"


def fit(
    architecture: Architecture,
    model: VLM,
    processor: Processor,
    source: SampleSource,
    config: TrainConfig,
    folder: Path,
    *,
    validate: Validate,
    rewrite: Rewrite | None = None,
    resume: bool = False,
) -> Progress:
    """Train `model` in place; afterwards it carries the averaged weights.

    With `rewrite` a step learns from what that makes of its samples (a model's own answers with
    their rewards, say) instead of from the samples themselves.

    Raises:
        Interrupted: SIGINT or SIGTERM came; a checkpoint has been written.
        TrainingError: the loss or its gradient is not a number.
    """
    files = RunFiles(folder)
    samples_per_step = config.batch_size * config.accumulate
    order = Order(len(source), samples_per_step, config.seed, source.lengths())
    num_steps = _num_steps(order, config)
    freeze(model, config.learning_rates)
    optimizer = build_optimizer(model, config)
    average = WeightAverage(model, config.ema_decay)
    checkpoints = Checkpoints(files.checkpoints, architecture, processor.tokenizer)
    with _own_randomness(config.seed), _stop_requests() as stop:
        progress = _begin(checkpoints, average, optimizer, resume)
        record = Record(files.record, resume_step=progress.step)
        with ProgressBar(num_steps, progress.step) as bar:
            while progress.step < num_steps:
                started = time.monotonic()
                set_rates(optimizer, rate_factor(progress.step, num_steps, config))
                set_training(model, config.learning_rates)
                samples = _samples(source, order, progress.step)
                with _precision(model, config):
                    samples, noticed = _rewritten(rewrite, model, samples, order, progress.step)
                    batches = _batches(samples, processor, config.batch_size)
                    outcome = _step(model, optimizer, batches, config, progress.step)
                average.update(progress.step)
                progress.step += 1
                progress.seconds += time.monotonic() - started
                line = outcome.line(progress, optimizer) | noticed
                bar.advance(outcome.loss, outcome.num_images, outcome.num_tokens)
                if _due(progress.step, config.validate_every or order.steps_per_epoch, num_steps):
                    with _precision(model, config):
                        scores = _validate(validate, model, average, progress)
                    line |= scores
                    bar.note(_summary(progress, order, scores))
                record.write(line)
                is_best = progress.best_step == progress.step
                if (
                    stop.requested
                    or is_best
                    or _due(progress.step, config.checkpoint_every, num_steps)
                ):
                    checkpoints.save(average, optimizer, progress)
                if stop.requested and progress.step < num_steps:
                    raise Interrupted(
                        f"stopped after step {progress.step} of {num_steps} with a checkpoint in "
                        f"{files.checkpoints}; add --resume to go on"
                    )
    average.keep()
    model.eval()
    return progress


@dataclass(frozen=True, slots=True)
class _Outcome:
    loss: float
    gradient_norm: float
    num_images: int
    num_tokens: int
    num_labels: int
    seen: float | None
    """Mean loss of seeing; None where it is no objective."""

    def line(self, progress: Progress, optimizer: torch.optim.Optimizer) -> dict[str, float | int]:
        line = {
            "step": progress.step,
            "loss": self.loss,
            "learning_rate": max(group["lr"] for group in optimizer.param_groups),
            "gradient_norm": self.gradient_norm,
            "images": self.num_images,
            "tokens": self.num_tokens,
            "labels": self.num_labels,
            "seconds": round(progress.seconds, 3),
        }
        return line if self.seen is None else line | {"seeing": self.seen}


def _step(
    model: VLM,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[ModelInputs],
    config: TrainConfig,
    step: int,
) -> _Outcome:
    """One optimizer step over several forward passes, normalised by all their labels."""
    num_labels = sum(_num_labels(batch, config) for batch in batches)
    if num_labels == 0:
        raise TrainingError(
            f"step {step + 1} has no supervised token; its answers are empty or were cut off"
        )
    nll, seen = 0.0, 0.0
    for batch in batches:
        loss = _loss(model, batch, config, num_labels)
        loss.total.backward()
        nll, seen = nll + loss.nll, seen + loss.seen
    if not math.isfinite(nll + seen):
        raise TrainingError(
            f"the loss of step {step + 1} is {nll + seen}; lower the learning rate or clip_norm, "
            "then go on with --resume"
        )
    norm = nn.utils.clip_grad_norm_(trained_parameters(model).values(), config.clip_norm)
    if not math.isfinite(float(norm)):
        raise TrainingError(
            f"the gradient of step {step + 1} is {float(norm)}; lower the learning rate, "
            "then go on with --resume"
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return _Outcome(
        loss=nll / num_labels if config.answering else seen,
        gradient_norm=float(norm),
        num_images=sum(len(batch.images) for batch in batches),
        num_tokens=sum(int(batch.token_mask.sum()) for batch in batches),
        num_labels=num_labels,
        seen=seen if config.seeing else None,
    )


@dataclass(frozen=True, slots=True)
class _StepLoss:
    """What one forward pass adds to the loss of its step."""

    total: torch.Tensor
    nll: float
    """Sum over labels, in nats."""
    seen: float
    """Share of the step's mean loss of seeing."""


def _num_labels(batch: ModelInputs, config: TrainConfig) -> int:
    """What the loss of a step is normalised by."""
    return len(labelled_positions(batch)[0]) if config.answering else num_described(batch)


def _loss(model: VLM, batch: ModelInputs, config: TrainConfig, num_labels: int) -> _StepLoss:
    """The objectives of one forward pass, weighted and normalised over the whole step."""
    visual = model.encode(batch.to(model.device))
    total, nll, seen = torch.zeros((), device=model.device), 0.0, 0.0
    if config.answering:
        answers = language_modelling(model, batch, config.label_smoothing, visual)
        total, nll = config.answering * answers.total / num_labels, answers.nll
    if config.seeing and batch.visual_labels:
        own = _num_labels(batch, config) / num_labels
        look = own * seeing(model, visual, batch.visual_labels)
        total, seen = total + config.seeing * look, float(look.detach())
    return _StepLoss(total, nll, seen)


def _num_steps(order: Order, config: TrainConfig) -> int:
    whole = config.epochs * order.steps_per_epoch
    return min(whole, config.max_steps) if config.max_steps else whole


def _begin(
    checkpoints: Checkpoints,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    resume: bool,
) -> Progress:
    if resume:
        return checkpoints.load_last(average, optimizer)
    checkpoints.clear()
    return Progress()


def _rewritten(
    rewrite: Rewrite | None, model: VLM, samples: Sequence[Sample], order: Order, step: int
) -> tuple[Sequence[Sample], dict[str, float]]:
    if rewrite is None:
        return samples, {}
    return rewrite(model, samples, order.step_generator(step))


def _samples(source: SampleSource, order: Order, step: int) -> Sequence[Sample]:
    return [source.sample(i, order.generator(step, i)) for i in order.indexes(step)]


def _batches(samples: Sequence[Sample], processor: Processor, batch_size: int) -> list[ModelInputs]:
    # Samples of similar length share a forward pass, so that little of it is padding.
    ordered = sorted(samples, key=lambda sample: len(sample.token_ids))
    return [
        processor.collate(ordered[start : start + batch_size])
        for start in range(0, len(ordered), batch_size)
    ]


def _validate(
    validate: Validate, model: VLM, average: WeightAverage, progress: Progress
) -> dict[str, float]:
    model.eval()
    with average.in_place(), torch.inference_mode():
        scores = validate(model)
    loss = scores["val_loss"]
    if progress.best_score is None or loss < progress.best_score:
        progress.best_score, progress.best_step = loss, progress.step
    return scores


def _due(step: int, every: int, num_steps: int) -> bool:
    return step % every == 0 or step == num_steps


def _summary(progress: Progress, order: Order, scores: dict[str, float]) -> str:
    epoch = progress.step / order.steps_per_epoch
    shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
    return f"epoch {epoch:.1f}  step {progress.step}  {shown}"


def _precision(model: VLM, config: TrainConfig) -> torch.autocast:
    """Matrix products in bfloat16 where that is asked for.

    Entered anew for each step: it keeps copies of the weights, which a step changes.
    """
    is_mixed = config.precision == "bfloat16"
    return torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=is_mixed)


@contextmanager
def _own_randomness(seed: int) -> Generator[None]:
    """Dropout draws from a state of its own; the caller's random state is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@dataclass(slots=True)
class _StopRequest:
    requested: bool = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: finish the step, write a checkpoint, stop. Asked twice, stop at once."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def _stop_requests() -> Generator[_StopRequest]:
    stop = _StopRequest()
    try:
        old = {n: signal.signal(n, stop.ask) for n in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: signals go elsewhere
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
