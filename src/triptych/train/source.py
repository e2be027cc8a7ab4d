"""Where a run's samples come from: by number, the same number and randomness always the same."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol, runtime_checkable

import torch

from triptych.data.ledger import LeftOut
from triptych.processor import Sample
from triptych.train.order import Order
from triptych.train.ranks import Ranks


@runtime_checkable
class SampleSource(Protocol):
    """Training samples by number. The same number and randomness give the same sample."""

    def __len__(self) -> int: ...

    def sample(self, index: int, generator: torch.Generator) -> Sample: ...

    def lengths(self) -> tuple[int, ...] | None:
        """Tokens of every sample, if they are known beforehand; similar ones share a step."""
        ...


@runtime_checkable
class NotingSource(Protocol):
    """A source that may put another sample in the place of one, or shrink it, and says so."""

    def noted_sample(
        self, index: int, generator: torch.Generator
    ) -> tuple[Sample, Sequence[LeftOut]]:
        """What `sample` gives, and what was left out on the way to it.

        A run writes the notes into its `ledger.jsonl`, beside the step that they belong to.
        """
        ...


@runtime_checkable
class CountingSource(Protocol):
    """A source that gives up when too many of its samples turn out to be unusable."""

    def note(self, index: int, notes: Iterable[LeftOut]) -> None:
        """Count what was noted of sample `index`, perhaps in a worker; only once, however often it
        is told.

        Raises:
            DataError: these are too many.
        """
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """One sample as it came from its source."""

    sample: Sample
    notes: Sequence[LeftOut] = ()


def make(source: SampleSource, order: Order, step: int, index: int) -> Made:
    """One sample of a step; whoever makes it, and whenever, it is the same."""
    generator = order.generator(step, index)
    if isinstance(source, NotingSource):
        return Made(*source.noted_sample(index, generator))
    return Made(source.sample(index, generator))


def count_notes(
    source: SampleSource, order: Order, step: int, made: Sequence[Made], ranks: Ranks
) -> Sequence[LeftOut]:
    """Tell a source what became of the samples of a step, which others may have made; all notes.

    Raises:
        DataError: too many of its samples are unusable.
        RankLostError: another process of the run is lost.
    """
    if not isinstance(source, NotingSource):
        return []
    places = zip(order.positions(step), order.indexes(step), made, strict=True)
    mine = [(at, index, [astuple(note) for note in each.notes]) for at, index, each in places]
    # In the order of the step, whoever had which of them.
    dealt = sorted(each for share in ranks.exchange(mine) for each in share)
    noted = [(index, [LeftOut(*each) for each in notes]) for _, index, notes in dealt]
    if isinstance(source, CountingSource):
        for index, notes in noted:
            source.note(index, notes)
    return [note for _, notes in noted for note in notes]


def note_line(step: int, note: LeftOut) -> dict[str, str | int]:
    """A line of `ledger.jsonl`; `step` counts from 1, as in the record."""
    return {
        "step": step,
        "sample": note.sample_id,
        "reason": note.reason,
        "detail": note.detail,
    }
