"""Questions before they are put into words.

What can be asked about a picture is a list of `Asking`: kind, slots and the true answer. The same
kind with the same slots about a picture and its twin is the same question, so a question whose
answer the change turned is found by comparing two lists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from triptych.data.worlds.question import AnswerPart, Number, Question, Truth, Words
from triptych.data.worlds.wording import Phrases, Split, word
from triptych.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question without its words."""

    kind: str
    """As in `Question`."""

    slots: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the wordings of this kind leave open."""

    answer: tuple[AnswerPart, ...]
    truth: Truth
    tags: Mapping[str, str | int | float | bool] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> tuple[str, ...]:
        """Equal for the same question about different pictures."""
        return (self.kind, *(f"{name}={value}" for name, value in sorted(self.slots.items())))

    def worded(self, text: str) -> Question:
        return Question(
            kind=self.kind, text=text, answer=self.answer, truth=self.truth, tags=self.tags
        )


def says(
    kind: str,
    slots: Mapping[str, str],
    *accepted: str,
    tags: Mapping[str, str | int | float | bool],
) -> Asking:
    """A question that is answered in words, the first of `accepted` being the one to train on."""
    return Asking(kind=kind, slots=slots, answer=accepted[:1], truth=Words(accepted), tags=tags)


def counts(
    kind: str,
    slots: Mapping[str, str],
    value: int,
    *,
    tags: Mapping[str, str | int | float | bool],
) -> Asking:
    """A question that is answered with a whole number."""
    truth = Number(float(value))
    return Asking(kind=kind, slots=slots, answer=(str(value),), truth=truth, tags=tags)


def put(
    askings: Sequence[Asking], phrases: Mapping[str, Phrases], rng: Random, split: Split
) -> list[Question]:
    """Put each into words as this split does, in random order."""
    shuffled = rng.sample(askings, len(askings))
    return [one.worded(word(phrases, one.kind, rng, split, **one.slots)) for one in shuffled]


def put_apart(
    askings: Sequence[Asking],
    twins: Sequence[Asking],
    phrases: Mapping[str, Phrases],
    rng: Random,
    split: Split,
) -> tuple[Question, Question]:
    """One question in the same words about a picture and its twin, whose answers differ.

    Raises:
        DataError: no question tells the two apart.
    """
    by_key = {twin.key: twin for twin in twins}
    apart = [
        (one, by_key[one.key])
        for one in askings
        if one.key in by_key and by_key[one.key].truth != one.truth
    ]
    if not apart:
        raise DataError(
            f"none of {len(askings)} questions has another answer about the twin; `change` must "
            f"change a fact that a question asks about"
        )
    # Kinds first, so that one with many questions does not crowd out the others.
    kind = rng.choice(sorted({one.kind for one, _ in apart}))
    one, twin = rng.choice([pair for pair in apart if pair[0].kind == kind])
    text = word(phrases, kind, rng, split, **one.slots)
    return one.worded(text), twin.worded(text)
