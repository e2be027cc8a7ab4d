"""The gradient of one step: the mean over all it learns, over however many forward passes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from triptych.data.packing import plan_rows
from triptych.errors import TrainingError
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.objectives.mixture import Counts, Objectives, count, mixed_loss
from triptych.objectives.seeing import num_described
from triptych.processor import Processor, Sample
from triptych.train.config import TrainConfig
from triptych.train.optimizer import trained_parameters
from triptych.train.record import Line


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the forward and backward passes of a step gave."""

    loss: float
    """Mean of the first objective that counts, neither weighted nor smoothed."""
    gradient_norm: float
    num_images: int
    num_tokens: int
    num_labels: int
    further: Mapping[str, float]
    """Means of all objectives but the one on answers."""

    @property
    def fault(self) -> str:
        """What is no number: the loss, the gradient, or nothing."""
        if not all(map(math.isfinite, (self.loss, *self.further.values()))):
            return "loss"
        return "" if math.isfinite(self.gradient_norm) else "gradient"

    def line(self, step: int, seconds: float, optimizer: torch.optim.Optimizer) -> Line:
        """Its line in the record; `seconds` are those of the run so far."""
        return {
            "step": step,
            "loss": self.loss,
            "learning_rate": max(group["lr"] for group in optimizer.param_groups),
            "gradient_norm": self.gradient_norm,
            "images": self.num_images,
            "tokens": self.num_tokens,
            "labels": self.num_labels,
            "seconds": round(seconds, 3),
            **self.further,
        }


def gradients(
    model: VLM,
    batches: Sequence[ModelInputs],
    config: TrainConfig,
    step: int,
    reference: VLM | None = None,
) -> Outcome:
    """Fill the gradients of a step (0, 1, ...), clipped; nothing else of the model changes.

    `reference` is what preferences are measured from.

    Raises:
        TrainingError: there is nothing to learn in it.
    """
    objectives = config.objectives
    counts = sum((count(batch, objectives) for batch in batches), Counts())
    _check(counts, objectives, step)
    means = dict.fromkeys(objectives.learned, 0.0)
    for batch in batches:
        mixed = mixed_loss(model, batch, objectives, counts, reference)
        mixed.total.backward()
        means |= {name: means.get(name, 0.0) + part for name, part in mixed.parts.items()}
    norm = nn.utils.clip_grad_norm_(trained_parameters(model).values(), config.clip_norm)
    return Outcome(
        loss=means[objectives.learned[0]],
        gradient_norm=float(norm),
        num_images=sum(len(batch.images) for batch in batches),
        num_tokens=sum(int(batch.token_mask.sum()) for batch in batches),
        num_labels=counts.labels or sum(map(num_described, batches)),
        further={name: mean for name, mean in means.items() if name != "answering"},
    )


def mean_losses(
    model: VLM, batches: Sequence[ModelInputs], objectives: Objectives
) -> dict[str, float]:
    """Means of all objectives over some batches, neither weighted nor smoothed."""
    counts = sum((count(batch, objectives) for batch in batches), Counts())
    means = dict.fromkeys(objectives.learned, 0.0)
    for batch in batches:
        parts = mixed_loss(model, batch, objectives, counts).parts
        means |= {name: means[name] + part for name, part in parts.items()}
    return means


def _check(counts: Counts, objectives: Objectives, step: int) -> None:
    if objectives.answering and not counts.labels:
        raise TrainingError(
            f"step {step + 1} has no supervised token; its answers are empty or were cut off"
        )
    if counts == Counts():
        raise TrainingError(
            f"step {step + 1} has nothing to learn from {' or '.join(objectives.learned)}; train "
            "on samples that know what their pictures show, or on another objective"
        )


def into_batches(
    samples: Sequence[Sample], processor: Processor, config: TrainConfig
) -> list[ModelInputs]:
    """The forward passes of a step.

    Raises:
        TokenError: a sample is longer than a row of `pack_tokens`.
    """
    if config.pack_tokens:
        lengths = [len(sample.token_ids) for sample in samples]
        rows = plan_rows(lengths, config.pack_tokens)
        # One row a pass: two would be padded to the longer of them.
        return [processor.pack([[samples[index] for index in row]]) for row in rows]
    # Samples of similar length share a forward pass, so that little of it is padding.
    ordered = sorted(samples, key=lambda sample: len(sample.token_ids))
    return [
        processor.collate(ordered[start : start + config.batch_size])
        for start in range(0, len(ordered), config.batch_size)
    ]
