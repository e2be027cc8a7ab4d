"""Conversations as training samples: planned from headers, opened when they are used.

    headers -> plan: lengths, rules, what cannot be used      once, before training
    sample n -> pictures opened -> sequence                   whenever it is asked for

A picture that turns out to be broken while training is replaced by another sample, which one is a
function of the seed and the number alone. The ledger lists it, and the run stops when more than
`tolerate` of the samples cannot be used.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from random import Random

import torch

from triptych.data.filters import FilterConfig
from triptych.data.fitting import CHANGES, Fitted, Fitting
from triptych.data.ledger import Ledger, LeftOut
from triptych.data.pair_fitting import PairFitting
from triptych.data.sources.conversation import Conversation, Conversations
from triptych.errors import ConfigError, DataError, MediaError, ShapeError, TokenError
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample

FAULTS = (MediaError, TokenError, ShapeError, DataError)
"""What is the fault of one sample; anything else ends the run."""

_MAX_TRIES = 100
"""Other samples that are tried in place of one; so many broken ones are no accident."""


class ConversationSamples:
    """Conversations as a source of training samples."""

    def __init__(
        self,
        processor: Processor | PairProcessor,
        conversations: Conversations,
        *,
        ledger: Ledger | None = None,
        tolerate: float = 0.01,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        rules: FilterConfig = FilterConfig(),
        plan: bool = True,
        seed: int = 0,
    ) -> None:
        """Plan all samples, and leave out what cannot be used.

        Args:
            processor: Of the model that is trained; of one that compares pictures with texts each
                conversation gives a pair.
            conversations: A list, or anything that has a length and gives one by its number.
            ledger: What reading them left out already; it is continued.
            tolerate: Share of the samples, those of the ledger included, that may be unusable.
            min_pixels: Least area of a picture, for models that take pictures at their own size.
            max_pixels: Most area of a picture, likewise.
            rules: Which samples are used.
            plan: Whether lengths and faults are looked for before training. Without, `lengths` is
                None, there can be no rules, and every fault is met on the way.
            seed: Decides which sample stands in for a broken one.

        Raises:
            ConfigError: a bound is given to a model whose pictures have one size, or there are
                rules and no plan.
            DataError: too many samples cannot be used, or none is left.
        """
        self.fitting: Fitting | PairFitting = (
            Fitting(processor, min_pixels, max_pixels)
            if isinstance(processor, Processor)
            else PairFitting(processor, min_pixels, max_pixels)
        )
        self.conversations = conversations
        self.ledger = ledger or Ledger("conversations", num_kept=len(conversations))
        self.tolerate = tolerate
        self.rules = rules
        self.seed = seed
        self._known: set[tuple[str, str]] = set()
        self._used: Sequence[int] = range(len(conversations))
        self._lengths: tuple[int, ...] | None = None
        if plan:
            self._plan()
        elif not rules.is_empty:
            raise ConfigError("rules need sizes and lengths, which only a plan knows; leave it on")
        self.ledger.stop_above(tolerate)
        if not self._used:
            raise DataError(f"{self.ledger.source}: no sample is left; {self.ledger.summary()}")

    def __len__(self) -> int:
        return len(self._used)

    def lengths(self) -> tuple[int, ...] | None:
        """Tokens of every sample, pictures included, exactly as they will be."""
        return self._lengths

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """One sample, or where it is broken another in its place; equal numbers give equal samples.

        Raises:
            DataError: more samples than tolerated are broken.
        """
        return self.noted_sample(index, generator)[0]

    def noted_sample(
        self, index: int, generator: torch.Generator
    ) -> tuple[Sample, Sequence[LeftOut]]:
        """The same, with what was found broken on the way to it, and without a plan also what was
        changed to make it fit.

        Raises:
            DataError: as `sample`.
        """
        notes: list[LeftOut] = []
        for candidate in islice(self._candidates(index), 1 + _MAX_TRIES):
            fitted = self._attempt(self._used[candidate], generator)
            if isinstance(fitted, Fitted):
                if self._lengths is None:
                    notes += fitted.changes
                self.note(index, notes)
                return fitted.sample, notes
            notes.append(fitted)
            self.note(index, notes)
        raise DataError(
            f"{self.ledger.source}: {_MAX_TRIES} samples in place of number {index} are broken, "
            "too; mend the data"
        )

    def note(self, index: int, notes: Iterable[LeftOut]) -> None:
        """Enter what a worker, whose ledger nobody sees, noted of sample `index`.

        What is in the ledger already is not entered again.

        Raises:
            DataError: more samples than tolerated are broken.
        """
        del index  # all are of this one source
        for entry in notes:
            self._enter(entry)
        self.ledger.stop_above(self.tolerate)

    # -- steps --------------------------------------------------------------------------------

    def _plan(self) -> None:
        used: list[int] = []
        lengths: list[int] = []
        for index in range(len(self.conversations)):
            try:
                conversation = self.conversations[index]
                planned = self.fitting.plan(conversation)
            except FAULTS as error:
                self._enter(self._fault(index, error))
                continue
            if self._is_excluded(conversation, planned):
                continue
            used.append(index)
            lengths.append(len(planned.sample.token_ids))
            for change in planned.changes:
                self._enter(change)
        self._used, self._lengths = used, tuple(lengths)

    def _is_excluded(self, conversation: Conversation, planned: Fitted) -> bool:
        images = planned.sample.images
        sizes = [(each.original_height, each.original_width) for each in images]
        known = [(height, width) for height, width in sizes if height and width]
        found = self.rules.excludes(conversation, known, len(planned.sample.token_ids))
        if found is None:
            return False
        self.ledger.filtered.append(found)
        self.ledger.keep(-1)
        return True

    def _attempt(self, index: int, generator: torch.Generator) -> Fitted | LeftOut:
        """The sequence or pair, or why there is none; which text of a pair is left to chance."""
        try:
            conversation = self.conversations[index]
            if isinstance(self.fitting, PairFitting):
                return self.fitting.encode(conversation, generator)
            return self.fitting.encode(conversation)
        except FAULTS as error:
            return self._fault(index, error)

    def _candidates(self, index: int) -> Iterator[int]:
        """The sample, then those that may stand in for it."""
        yield index
        rng = Random(f"{self.seed}/{index}")
        while True:
            yield rng.randrange(len(self._used))

    def _fault(self, index: int, error: Exception) -> LeftOut:
        return LeftOut(self._name(index), _reason(error), str(error))

    def _name(self, index: int) -> str:
        try:
            return self.conversations[index].sample_id
        except DataError:
            return f"{self.ledger.source}[{index}]"

    def _enter(self, entry: LeftOut) -> None:
        key = entry.sample_id, entry.reason
        if key in self._known:
            return
        self._known.add(key)
        if entry.reason in CHANGES:
            self.ledger.changed.append(entry)
            return
        self.ledger.left_out.append(entry)
        self.ledger.keep(-1)


def _reason(error: Exception) -> str:
    """A short reason that samples can be counted by."""
    match error:
        case MediaError():
            return "picture cannot be used"
        case TokenError():
            return "does not fit the model"
        case ShapeError():
            return "place that is none"
        case _:
            return "cannot be read"
