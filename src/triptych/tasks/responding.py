"""What every task does: messages in, what the model said out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import TokenError
from triptych.generate import Completion, GenerationOptions, generate, stream
from triptych.media import Picture
from triptych.pictures import EncodedImage
from triptych.processor import Message, Sample
from triptych.tasks.embedded import note_on


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    ended: bool
    """True when the model ended its answer, False when the length limit did."""
    log_probability: float
    num_prompt_tokens: int
    num_answer_tokens: int
    note: str = ""
    """What to know before relying on it; mostly empty."""

    def as_dict(self) -> dict[str, str | float | int | bool]:
        """The answer as plain values, for JSON; a note only where there is one."""
        return {
            "text": self.text,
            "ended": self.ended,
            "log_probability": self.log_probability,
            "prompt_tokens": self.num_prompt_tokens,
            "answer_tokens": self.num_answer_tokens,
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True, slots=True)
class Responder:
    """A loaded model that responds to messages; every task asks it."""

    loaded: LoadedModel
    embedded: str = ""
    """Its name where it came with the package."""

    def open(self, pictures: Sequence[object]) -> list[Picture]:
        """Open pictures; those that are open stay as they are."""
        return [self.loaded.processor.open(picture) for picture in pictures]

    def note(self, pictures: Sequence[Picture]) -> str:
        """What to know about answers about these pictures; mostly nothing."""
        return note_on(self.embedded, pictures)

    def prompt(
        self, messages: Sequence[Message], features: Sequence[EncodedImage] | None = None
    ) -> Sample:
        """Messages as the beginning of an answer; `features` stands in for their pictures.

        Raises:
            TokenError: they are longer than the model takes.
        """
        sample = self.loaded.processor.encode(
            messages, add_generation_prompt=True, features=features
        )
        if sample.num_truncated:
            most = self.loaded.processor.config.max_tokens
            raise TokenError(
                f"the messages are {most + sample.num_truncated} tokens long and this model takes "
                f"{most}; begin anew, or say less"
            )
        return sample

    def complete(self, prompts: Sequence[Sample], options: GenerationOptions) -> list[Completion]:
        """What the model says to each prompt, as tokens too."""
        return generate(self.loaded.model, self.loaded.processor, prompts, options)

    def answer(
        self, prompts: Sequence[Sample], options: GenerationOptions, notes: Sequence[str]
    ) -> list[Answer]:
        """What the model says to each prompt, with a note each."""
        completions = self.complete(prompts, options)
        return [_answer(c, note) for c, note in zip(completions, notes, strict=True)]

    def stream(self, prompt: Sample, options: GenerationOptions) -> Iterator[str]:
        """What the model says, piece by piece."""
        return stream(self.loaded.model, self.loaded.processor, prompt, options)


def _answer(completion: Completion, note: str) -> Answer:
    return Answer(
        text=completion.text.strip(),
        ended=completion.ended,
        log_probability=completion.log_probability,
        num_prompt_tokens=completion.num_prompt_tokens,
        num_answer_tokens=len(completion.token_ids),
        note=note,
    )
