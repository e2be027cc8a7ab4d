"""The forward passes of a step: samples as batches, and what each is learned from.

a model that generates     answers, one sample a row or several; see `objectives.mixture`
a matcher                  pictures and texts that belong together, as many as are compared
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeAlias

import torch
from torch import Generator

from triptych.data.packing import plan_rows
from triptych.errors import ConfigError
from triptych.fusion.matching import Matcher
from triptych.fusion.pairs import PairInputs
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.objectives.matching import compared_here
from triptych.objectives.mixture import (
    Counts,
    Mixed,
    Objectives,
    PairObjectives,
    count,
    count_pairs,
    mixed_loss,
    mixed_pair_loss,
)
from triptych.objectives.seeing import num_described
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample
from triptych.train.config import TrainConfig
from triptych.train.meeting import Meeting

Trained: TypeAlias = VLM | Matcher
"""What can be trained."""


@dataclass(frozen=True, slots=True)
class AnswerPass:
    """Of a model that generates."""

    model: VLM
    inputs: ModelInputs
    objectives: Objectives
    reference: VLM | None = None
    """What preferences are measured from."""

    @property
    def counts(self) -> Counts:
        """What there is to learn in it."""
        return count(self.inputs, self.objectives)

    @property
    def num_images(self) -> int:
        return len(self.inputs.images)

    @property
    def num_tokens(self) -> int:
        return int(self.inputs.token_mask.sum())

    @property
    def num_labels(self) -> int:
        """Supervised tokens, or visual tokens that are described where there are none."""
        return self.counts.labels or num_described(self.inputs)

    def loss(self, counts: Counts) -> Mixed:
        """Its share of the loss of a step that holds `counts`."""
        return mixed_loss(self.model, self.inputs, self.objectives, counts, self.reference)


@dataclass(frozen=True, slots=True)
class PairPass:
    """Of a model that compares pictures with texts."""

    model: Matcher
    inputs: PairInputs | None
    """None where all pairs of the pass are on other processes."""
    objectives: PairObjectives
    generator: Generator
    """Draws what does not belong together."""
    places: Sequence[int] = ()
    """Of these pairs among all of the pass."""
    meeting: Meeting | None = None
    """Where those of other processes are met, if there are any."""

    @property
    def counts(self) -> Counts:
        """What there is to learn in it."""
        return Counts() if self.inputs is None else count_pairs(self.inputs)

    @property
    def num_images(self) -> int:
        return 0 if self.inputs is None else len(self.inputs.pixels)

    @property
    def num_tokens(self) -> int:
        return 0 if self.inputs is None else int(self.inputs.token_mask.sum())

    @property
    def num_labels(self) -> int:
        """Words that are to be written."""
        return self.counts.labels

    def loss(self, counts: Counts) -> Mixed:
        """Its share of the loss of a step that holds `counts`."""
        model, inputs, meeting = self.model, self.inputs, self.meeting
        compares = self.objectives.contrasting or self.objectives.matching
        if inputs is None:
            if meeting is not None and compares:
                meeting.attend()
            return Mixed(torch.zeros((), device=model.device))
        bring = compared_here if meeting is None else partial(meeting.bring, self.places)
        return mixed_pair_loss(model, inputs, self.objectives, counts, self.generator, bring)


Pass: TypeAlias = AnswerPass | PairPass


@dataclass(frozen=True, slots=True)
class Passes:
    """Makes the forward passes of a model's steps."""

    model: Trained
    processor: Processor | PairProcessor
    config: TrainConfig
    reference: VLM | None = None
    meeting: Meeting | None = None
    """Where ranks compare pairs of a forward pass that they share."""

    def __post_init__(self) -> None:
        is_matcher = isinstance(self.model, Matcher)
        if is_matcher != isinstance(self.config.objectives, PairObjectives) or (
            is_matcher != isinstance(self.processor, PairProcessor)
        ):
            raise ConfigError(
                "a matcher learns PairObjectives from pairs of a PairProcessor, any other model "
                f"Objectives; {type(self.model).__name__}, {type(self.processor).__name__} and "
                f"{type(self.config.objectives).__name__} do not go together"
            )
        if is_matcher and self.config.pack_tokens:
            raise ConfigError(
                f"pairs are compared with each other and share no row; set pack_tokens to 0 "
                f"instead of {self.config.pack_tokens}"
            )

    def of(
        self,
        samples: Sequence[Sample],
        generator: Generator,
        places: Sequence[Sequence[int]] = (),
    ) -> Sequence[Pass]:
        """The passes of one step; `generator` is what is left to chance in them.

        `places` are those of the samples in every forward pass, where ranks share these.

        Raises:
            TokenError: a sample is longer than a row of `pack_tokens`.
        """
        objectives = self.config.objectives
        if isinstance(self.model, Matcher):
            assert isinstance(self.processor, PairProcessor)
            assert isinstance(objectives, PairObjectives)
            size, left = self.config.batch_size, iter(samples)
            places = places or [
                range(min(size, len(samples) - start)) for start in range(0, len(samples), size)
            ]
            batches = [(list(islice(left, len(own))), own) for own in places]
            return [
                PairPass(
                    self.model,
                    self.processor.collate(batch) if batch else None,
                    objectives,
                    generator,
                    own,
                    self.meeting,
                )
                for batch, own in batches
            ]
        assert isinstance(self.processor, Processor) and isinstance(objectives, Objectives)
        return [
            AnswerPass(self.model, batch, objectives, self.reference)
            for batch in into_batches(samples, self.processor, self.config)
        ]


def into_batches(
    samples: Sequence[Sample], processor: Processor, config: TrainConfig
) -> list[ModelInputs]:
    """The batches of a step.

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
