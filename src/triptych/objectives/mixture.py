"""What a run learns, and how much each of it counts: objectives as weights.

    answering 1                     language modelling on answers; prefixes and captions likewise
    answering 1, seeing 0.5         and every visual token says what it shows
    preferring 1                    of two answers the better one

    contrasting 1, matching 1, captioning 1      BLIP-2's first stage
    contrasting 1, captioning 2                  CoCa

Each objective is a mean over its own things of a whole step: labels, visual tokens, pairs. A step
is often several forward passes, and on several processes, so its things are counted first, and what
a forward pass adds is its share of the mean. The shares of all passes add up to the loss of one
large batch, however it is cut.

BLIP-2: https://arxiv.org/abs/2301.12597      CoCa: https://arxiv.org/abs/2205.01917
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from triptych.errors import ConfigError, TrainingError
from triptych.fusion.matching import Matcher
from triptych.fusion.pairs import PairInputs
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.objectives.captioning import captioning, num_words
from triptych.objectives.contrastive import Images, Texts, contrast, scores
from triptych.objectives.language_modelling import labelled_positions, language_modelling
from triptych.objectives.matching import Compared, compared_here, match
from triptych.objectives.preferences import (
    PreferenceConfig,
    num_preferences,
    preferences,
    reference_likelihoods,
)
from triptych.objectives.seeing import SeenCounts, count_seen, seeing
from triptych.shapes import VisionFeatures

Bring: TypeAlias = Callable[[Images, Texts, VisionFeatures, PairInputs], Compared]
"""Brings together what is compared with a process's own vectors, features and pairs."""

ANSWER_OBJECTIVES = ("answering", "seeing", "preferring")
PAIR_OBJECTIVES = ("contrasting", "matching", "captioning")


def _check(config: "Objectives | PairObjectives", names: tuple[str, ...]) -> None:
    weights = {name: getattr(config, name) for name in names}
    for name, weight in weights.items():
        if weight < 0:
            raise ConfigError(f"{name} must be at least 0, got {weight}")
    if not any(weights.values()):
        *others, last = names
        raise ConfigError(f"{', '.join(others)} and {last} are all 0, so nothing would be learned")
    if not 0 <= config.label_smoothing < 1:
        raise ConfigError(f"label_smoothing must be in [0, 1), got {config.label_smoothing}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Objectives:
    """Weights of what a model that generates learns; 0 leaves an objective out."""

    answering: float = 1.0
    """Of the loss on answers, a mean over labels."""

    seeing: float = 0.0
    """Of saying what each visual token shows, for samples that know it."""

    preferring: float = 0.0
    """Of preferring the first of two answers to the second, a mean over samples, all of which are
    such pairs then."""

    label_smoothing: float = 0.0
    """Share of probability spread evenly over the vocabulary in the target of answers."""

    preference: PreferenceConfig = PreferenceConfig()
    """How two answers are compared."""

    def __post_init__(self) -> None:
        _check(self, ANSWER_OBJECTIVES)

    @property
    def learned(self) -> tuple[str, ...]:
        """The objectives that count."""
        return tuple(name for name in ANSWER_OBJECTIVES if getattr(self, name))


@dataclass(frozen=True, kw_only=True, slots=True)
class PairObjectives:
    """Weights of what a matcher learns; those of BLIP-2's first stage unless said otherwise."""

    contrasting: float = 1.0
    """Of telling apart which text belongs to which picture, from vectors."""

    matching: float = 1.0
    """Of judging whether a text belongs to a picture, reading both together."""

    captioning: float = 1.0
    """Of writing the text, a mean over its tokens."""

    label_smoothing: float = 0.1
    """Of contrast and captions; the published code's."""

    begin_id: int | None = None
    """Token that begins a caption instead of its text's first; None keeps that."""

    def __post_init__(self) -> None:
        _check(self, PAIR_OBJECTIVES)

    @property
    def learned(self) -> tuple[str, ...]:
        """The objectives that count."""
        return tuple(name for name in PAIR_OBJECTIVES if getattr(self, name))


COCA = PairObjectives(contrasting=1.0, matching=0.0, captioning=2.0, label_smoothing=0.0)
"""CoCa's mixture (section 4.1)."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the means of a step are taken over; batches and processes add up."""

    labels: int = 0
    """Supervised tokens of answers, or words of captions."""

    seen: SeenCounts = SeenCounts()
    """What visual tokens have to say."""

    pairs: int = 0
    """Pairs of answers, or of pictures and texts."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.labels + other.labels, self.seen + other.seen, self.pairs + other.pairs)


@dataclass(frozen=True, slots=True)
class Mixed:
    """What one forward pass adds to the loss of its step."""

    total: Float[Tensor, ""]
    """Weighted sum of all objectives; the value that is differentiated."""

    parts: dict[str, float] = field(default_factory=dict[str, float])
    """Of every objective its share of the step's mean, neither weighted nor smoothed; further
    numbers likewise (`preferred`, the share of pairs whose better answer has gained more)."""


def count(inputs: ModelInputs, objectives: Objectives) -> Counts:
    """What there is to learn in a batch."""
    return Counts(
        labels=len(labelled_positions(inputs)[0]) if objectives.answering else 0,
        seen=count_seen(inputs.visual_labels) if objectives.seeing else SeenCounts(),
        pairs=num_preferences(inputs) if objectives.preferring else 0,
    )


def mixed_loss(
    model: VLM,
    inputs: ModelInputs,
    objectives: Objectives,
    counts: Counts,
    reference: VLM | Float[Tensor, "pair answer"] | None = None,
) -> Mixed:
    """The objectives of one forward pass, weighted, as shares of a step that holds `counts`.

    `reference` is what preferences are measured from: a frozen copy, or what it said.

    Raises:
        TrainingError: preferences are to be learned without a reference.
    """
    inputs = inputs.to(model.device)
    visual = model.encode(inputs)
    total, parts = torch.zeros((), device=model.device), dict[str, float]()
    if objectives.answering:
        answers = language_modelling(model, inputs, objectives.label_smoothing, visual)
        total = total + objectives.answering / max(counts.labels, 1) * answers.total
        parts["answering"] = answers.nll / max(counts.labels, 1)
    if objectives.seeing and inputs.visual_labels:
        look = seeing(model, visual, inputs.visual_labels, counts.seen)
        total = total + objectives.seeing * look
        parts["seeing"] = float(look.detach())
    if objectives.preferring:
        known = _likelihoods(reference, inputs)
        better = preferences(model, inputs, known, objectives.preference, visual)
        total = total + objectives.preferring / max(counts.pairs, 1) * better.total
        parts["preferring"] = float(better.total.detach()) / max(counts.pairs, 1)
        parts["preferred"] = better.num_preferred / max(counts.pairs, 1)
    return Mixed(total, parts)


def count_pairs(inputs: PairInputs) -> Counts:
    """What there is to learn in a batch of pairs."""
    return Counts(labels=num_words(inputs), pairs=len(inputs.token_ids))


def mixed_pair_loss(
    model: Matcher,
    inputs: PairInputs,
    objectives: PairObjectives,
    counts: Counts,
    generator: Generator,
    bring: Bring = compared_here,
) -> Mixed:
    """The same for a matcher; each picture is read once for all objectives.

    `generator` draws the negatives of matching. Where the pairs that are compared lie on several
    processes, these are this one's, and `bring` brings all together.

    Raises:
        ConfigError: the model was built without what its training needs.
        ShapeError: there are not as many pictures as texts.
        TrainingError: a pair has nothing in its batch to be told from.
    """
    inputs = inputs.to(model.device)
    features = model.vision(inputs.pixels)
    total, parts = torch.zeros((), device=model.device), dict[str, float]()
    if objectives.contrasting or objectives.matching:
        images = model.embed_features(features)
        texts = model.embed_texts(inputs.token_ids, inputs.token_mask)
        compared = bring(images, texts, features, inputs)
        share = len(compared.own) / max(counts.pairs, 1)
        if objectives.contrasting:
            apart = contrast(
                model,
                compared.images,
                compared.texts,
                label_smoothing=objectives.label_smoothing,
                share=compared.share,
            )
            # Of all pairs, though only through this process's own.
            total = total + objectives.contrasting * share / compared.share * apart
            parts["contrasting"] = share * float(apart.detach())
        if objectives.matching:
            alike = scores(model, compared.images, compared.texts)
            together = match(model, compared, alike, generator)
            total = total + objectives.matching * share * together
            parts["matching"] = share * float(together.detach())
    if objectives.captioning:
        written = captioning(
            model,
            features,
            inputs,
            begin_id=objectives.begin_id,
            label_smoothing=objectives.label_smoothing,
        )
        total = total + objectives.captioning / max(counts.labels, 1) * written.total
        parts["captioning"] = written.nll / max(counts.labels, 1)
    return Mixed(total, parts)


def _likelihoods(
    reference: VLM | Float[Tensor, "pair answer"] | None, inputs: ModelInputs
) -> Float[Tensor, "pair answer"]:
    if reference is None:
        raise TrainingError(
            "preferences are measured from a reference, and there is none; give the model as it "
            "was before, frozen, or what it said of this batch"
        )
    return reference if isinstance(reference, Tensor) else reference_likelihoods(reference, inputs)
