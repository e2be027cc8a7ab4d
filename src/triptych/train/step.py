"""The gradient of one step: the mean over all it learns, over however many forward passes."""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from triptych.errors import TrainingError
from triptych.objectives.mixture import Counts, Objectives, PairObjectives
from triptych.objectives.seeing import SeenCounts
from triptych.train.config import TrainConfig
from triptych.train.norms import Norms, clip_gradients
from triptych.train.optimizer import trained_parameters
from triptych.train.passes import Pass, Trained
from triptych.train.ranks import Ranks
from triptych.train.record import Line
from triptych.train.scaling import LossScale
from triptych.train.sharding import Shards


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the forward and backward passes of a step gave."""

    loss: float
    """Mean of the first objective that counts, neither weighted nor smoothed."""
    norms: Norms
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
        return "" if math.isfinite(self.norms.whole) else "gradient"

    def line(self, step: int, seconds: float, optimizer: torch.optim.Optimizer) -> Line:
        """Its line in the record; `seconds` are those of the run so far."""
        return {
            "step": step,
            "loss": self.loss,
            "learning_rate": max(group["lr"] for group in optimizer.param_groups),
            "gradient_norm": self.norms.whole,
            "images": self.num_images,
            "tokens": self.num_tokens,
            "labels": self.num_labels,
            "seconds": round(seconds, 3),
            **self.further,
            **{f"gradient_norm_{panel}": norm for panel, norm in self.norms.panels.items()},
        }


def gradients(
    model: Trained,
    passes: Sequence[Pass],
    config: TrainConfig,
    step: int,
    scale: LossScale | None = None,
    ranks: Ranks | None = None,
    shards: Shards | None = None,
) -> Outcome:
    """Fill the gradients of a step (0, 1, ...), clipped; nothing else of the model changes.

    With `scale` losses are scaled on the way, and the gradients not. With `ranks` the passes are
    this process's share of the step, and gradients and outcome those of the whole step; `shards`
    are the model, where they share that, too.

    Raises:
        TrainingError: there is nothing to learn in it; another process is lost.
    """
    ranks = ranks or Ranks()
    counts = _all_counts(sum((each.counts for each in passes), Counts()), ranks)
    _check(counts, config.objectives, step)
    if shards is None:
        own = _backward(passes, counts, config, scale)
        trained = trained_parameters(model).values()
        shares = ranks.add_gradients(trained, (own, *_sizes(passes)))
    else:
        with shards.step():
            own = _backward(passes, counts, config, scale)
            shares = shards.add_gradients((own, *_sizes(passes)))
    means = _added([each[0] for each in shares])
    if scale is not None:
        scale.scaled(torch.zeros((), device=model.device))  # it must have been asked by all ranks
        scale.unscale()
    with nullcontext() if shards is None else ranks.in_contact():
        norms = clip_gradients(model, config.clip_norm)
    num_images, num_tokens, num_labels = (sum(each[i] for each in shares) for i in (1, 2, 3))
    return Outcome(
        loss=means[config.objectives.learned[0]],
        norms=norms,
        num_images=num_images,
        num_tokens=num_tokens,
        num_labels=num_labels,
        further={name: mean for name, mean in means.items() if name != "answering"},
    )


@torch.inference_mode()
def mean_losses(passes: Sequence[Pass]) -> dict[str, float]:
    """Means of all objectives over some passes, neither weighted nor smoothed."""
    counts = sum((each.counts for each in passes), Counts())
    means: dict[str, float] = {}
    for each in passes:
        parts = each.loss(counts).parts
        means |= {name: means.get(name, 0.0) + part for name, part in parts.items()}
    return means


def _backward(
    passes: Sequence[Pass], counts: Counts, config: TrainConfig, scale: LossScale | None
) -> dict[str, float]:
    """Run the passes forward and backward; what they add to the means of a step of `counts`."""
    means = dict.fromkeys(config.objectives.learned, 0.0)
    for each in passes:
        mixed = each.loss(counts)
        total = mixed.total if scale is None else scale.scaled(mixed.total)
        if total.requires_grad:  # not where a pass has nothing to learn from
            total.backward()
        means |= {name: means.get(name, 0.0) + part for name, part in mixed.parts.items()}
    return means


def _all_counts(own: Counts, ranks: Ranks) -> Counts:
    """What there is to learn in the shares of all ranks."""
    said = ranks.exchange((own.labels, own.seen.words, own.seen.edges, own.pairs))
    return sum(
        (Counts(labels, SeenCounts(words, edges), pairs) for labels, words, edges, pairs in said),
        Counts(),
    )


def _sizes(passes: Sequence[Pass]) -> tuple[int, int, int]:
    return (
        sum(each.num_images for each in passes),
        sum(each.num_tokens for each in passes),
        sum(each.num_labels for each in passes),
    )


def _added(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for share in shares for name in share)
    return {name: sum(share.get(name, 0.0) for share in shares) for name in names}


def _check(counts: Counts, objectives: Objectives | PairObjectives, step: int) -> None:
    if "answering" in objectives.learned and not counts.labels:
        raise TrainingError(
            f"step {step + 1} has no supervised token; its answers are empty or were cut off"
        )
    if counts == Counts():
        raise TrainingError(
            f"step {step + 1} has nothing to learn from {' or '.join(objectives.learned)}; train "
            "on samples that know what their pictures show, or on another objective"
        )
