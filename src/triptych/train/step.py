"""The gradient of one step: the mean over all its labels, over however many forward passes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from triptych.errors import TrainingError
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.objectives.language_modelling import labelled_positions, language_modelling
from triptych.objectives.seeing import num_described, seeing
from triptych.processor import Processor, Sample
from triptych.train.config import TrainConfig
from triptych.train.optimizer import trained_parameters
from triptych.train.record import Line


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the forward and backward passes of a step gave."""

    loss: float
    gradient_norm: float
    num_images: int
    num_tokens: int
    num_labels: int
    seen: float | None
    """Mean loss of seeing; None where it is no objective."""

    @property
    def fault(self) -> str:
        """What is no number: the loss, the gradient, or nothing."""
        if not math.isfinite(self.loss + (self.seen or 0.0)):
            return "loss"
        return "" if math.isfinite(self.gradient_norm) else "gradient"

    def line(self, step: int, seconds: float, optimizer: torch.optim.Optimizer) -> Line:
        """Its line in the record; `seconds` are those of the run so far."""
        line: Line = {
            "step": step,
            "loss": self.loss,
            "learning_rate": max(group["lr"] for group in optimizer.param_groups),
            "gradient_norm": self.gradient_norm,
            "images": self.num_images,
            "tokens": self.num_tokens,
            "labels": self.num_labels,
            "seconds": round(seconds, 3),
        }
        return line if self.seen is None else line | {"seeing": self.seen}


def gradients(
    model: VLM, batches: Sequence[ModelInputs], config: TrainConfig, step: int
) -> Outcome:
    """Fill the gradients of a step (0, 1, ...), clipped; nothing else of the model changes.

    Raises:
        TrainingError: there is nothing to learn in it.
    """
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
    norm = nn.utils.clip_grad_norm_(trained_parameters(model).values(), config.clip_norm)
    return Outcome(
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


def into_batches(
    samples: Sequence[Sample], processor: Processor, batch_size: int
) -> list[ModelInputs]:
    """The forward passes of a step."""
    # Samples of similar length share a forward pass, so that little of it is padding.
    ordered = sorted(samples, key=lambda sample: len(sample.token_ids))
    return [
        processor.collate(ordered[start : start + batch_size])
        for start in range(0, len(ordered), batch_size)
    ]
