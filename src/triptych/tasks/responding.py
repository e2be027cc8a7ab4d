"""What every task does: messages in, what the model said out, whichever engine runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from triptych.engines import Alternative, Engine, Reply, Streamed
from triptych.engines.places import SpokenPlaces
from triptych.generate import GenerationOptions
from triptych.media import Picture
from triptych.processor import Message
from triptych.tasks.embedded import note_on


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said. None where its engine does not tell."""

    text: str
    ended: bool
    """True when the model ended its answer, False when the length limit did."""
    log_probability: float | None
    """Sum over its tokens."""
    num_prompt_tokens: int | None
    num_answer_tokens: int | None
    note: str = ""
    """What to know before relying on it; mostly empty."""
    log_probabilities: tuple[float, ...] = ()
    """Of each token; empty after a beam search."""
    alternatives: tuple[tuple[Alternative, ...], ...] = ()
    """At each token, the likeliest ones, likeliest first; empty unless asked for."""

    def as_dict(self) -> dict[str, Any]:
        """The answer as plain values, for JSON; a note, and figures of each token, only where
        there are any and alternatives were asked for."""
        return {
            "text": self.text,
            "ended": self.ended,
            "log_probability": self.log_probability,
            "prompt_tokens": self.num_prompt_tokens,
            "answer_tokens": self.num_answer_tokens,
            **({"note": self.note} if self.note else {}),
            **(self._steps() if self.alternatives else {}),
        }

    def _steps(self) -> dict[str, Any]:
        """What might have come at each token, beside how likely the one was that came."""
        return {
            "log_probabilities": list(self.log_probabilities),
            "alternatives": [
                [{"text": each.text, "log_probability": each.log_probability} for each in step]
                for step in self.alternatives
            ],
        }


@dataclass(frozen=True, slots=True)
class Responder:
    """A model that responds to messages; every task asks it."""

    engine: Engine
    embedded: str = ""
    """Its name where it came with the package."""
    places: SpokenPlaces | None = None
    """How it writes boxes and points in words; None where it has tokens for them, or where nobody
    knows."""

    def open(self, pictures: Sequence[object]) -> list[Picture]:
        """Open pictures; those that are open stay as they are."""
        return [self.engine.open(picture) for picture in pictures]

    def note(self, pictures: Sequence[Picture]) -> str:
        """What to know about answers about these pictures; mostly nothing."""
        return note_on(self.embedded, pictures)

    def reply(self, messages: Sequence[Message], options: GenerationOptions) -> Reply:
        """What the model says to one conversation, with all that its engine tells."""
        return self.engine.answer([messages], options)[0]

    def answer(
        self,
        conversations: Sequence[Sequence[Message]],
        options: GenerationOptions,
        notes: Sequence[str],
    ) -> list[Answer]:
        """What the model says to each conversation, with a note each."""
        replies = self.engine.answer(conversations, options)
        return [as_answer(reply, note) for reply, note in zip(replies, notes, strict=True)]

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Streamed:
        """What the model says, piece by piece."""
        return self.engine.stream(messages, options)


def as_answer(reply: Reply, note: str) -> Answer:
    """A reply as people get it."""
    return Answer(
        text=reply.text.strip(),
        ended=reply.ended,
        log_probability=reply.log_probability,
        num_prompt_tokens=reply.num_prompt_tokens,
        num_answer_tokens=reply.num_answer_tokens,
        note=note,
        log_probabilities=reply.log_probabilities,
        alternatives=reply.alternatives,
    )
