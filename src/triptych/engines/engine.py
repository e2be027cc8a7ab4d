"""What every engine does: messages in; streamed text, what it cost and how likely it was out.

    native         the panels of this package; the only engine that shows what happens inside
    transformers   any image-text-to-text checkpoint of that library
    openai         any server that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, ...

Tasks know this interface and nothing of what stands behind it.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.generate.sampling import Alternatives
from triptych.media import Clip, Picture
from triptych.pictures import ClipConfig
from triptych.processor import Message
from triptych.text import ChatTemplate, CoordinateFormat

ENGINES = ("native", "transformers", "openai")
"""Every engine there is, by name."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that might have come."""

    text: str
    """What it would have written there; special tokens spelled out."""

    log_probability: float
    """Under the model's own distribution (temperature 1)."""

    token_id: int | None = None
    """None where its engine does not tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What a model said. None, or nothing, where its engine does not tell."""

    text: str
    """Without special tokens."""

    ended: bool
    """True when the model ended its answer, False when the length limit did."""

    spelled: str = ""
    """With special tokens spelled out; empty where the engine leaves them out."""

    num_prompt_tokens: int | None = None
    """Visual ones included."""

    num_answer_tokens: int | None = None
    """The end token included if it came."""

    log_probability: float | None = None
    """Sum over the answer's tokens, under the model's own distribution (temperature 1)."""

    log_probabilities: tuple[float, ...] = ()
    """Of each of these tokens."""

    alternatives: tuple[tuple[Alternative, ...], ...] = ()
    """At each of these tokens, the likeliest ones, likeliest first; empty unless asked for."""

    token_ids: tuple[int, ...] | None = None
    """Of the answer."""


class Streamed(Iterator[str]):
    """An answer piece by piece; `reply` is what it was, once the last piece has been taken."""

    def __init__(self, pieces: Generator[str, None, Reply]) -> None:
        self.reply: Reply | None = None
        self._pieces = pieces

    def __next__(self) -> str:
        try:
            return next(self._pieces)
        except StopIteration as end:
            if self.reply is None:
                self.reply = end.value
            raise

    def close(self) -> None:
        """Leave the rest unsaid; a server is told so."""
        self._pieces.close()


@runtime_checkable
class Engine(Protocol):
    """A model that can be asked, wherever it runs."""

    @property
    def name(self) -> str:
        """One of `ENGINES`."""
        ...

    @property
    def model_name(self) -> str:
        """For messages."""
        ...

    @property
    def known_as(self) -> Sequence[str]:
        """Names that may tell which family the model is of."""
        ...

    @property
    def has_beam_search(self) -> bool: ...

    @property
    def holds_structure(self) -> bool:
        """Whether every answer that ends has the structure that was asked for."""
        ...

    @property
    def template(self) -> ChatTemplate | None:
        """How a conversation becomes text; None where the engine keeps that to itself."""
        ...

    @property
    def coordinates(self) -> CoordinateFormat | None:
        """How the model writes boxes and points with tokens of its own; None where it has none."""
        ...

    @property
    def max_pixels(self) -> int | None:
        """Area to which pictures are reduced before the model gets them; None where the model
        does so itself."""
        ...

    @property
    def clips(self) -> ClipConfig:
        """How much of a clip is looked at."""
        ...

    def open(self, picture: object) -> Picture:
        """Open one picture, safely; one that is open stays as it is."""
        ...

    def open_clip(self, clip: object, fps: float | None, max_frames: int | None) -> Clip:
        """Open one clip, safely, sampled as asked or as `clips` says."""
        ...

    def answer(
        self, conversations: Sequence[Sequence[Message]], options: GenerationOptions
    ) -> list[Reply]:
        """What the model says to each conversation.

        Raises:
            TokenError: a conversation is malformed or longer than the model takes.
            EngineError: the engine does not answer or refuses.
            UsageError: the engine cannot choose an answer in this way.
        """
        ...

    def stream(self, messages: Sequence[Message], options: GenerationOptions) -> Streamed:
        """What the model says to one conversation, piece by piece.

        Raises:
            TokenError, EngineError, UsageError: see `answer`; some only with the first piece.
        """
        ...


def spell_alternatives(
    decode: Callable[[Sequence[int]], str],
    token_ids: Sequence[int],
    alternatives: Sequence[Alternatives],
) -> tuple[tuple[Alternative, ...], ...]:
    """What might have come at each token of an answer, as text.

    `decode` spells special tokens out. A token is written behind the one that came before it,
    because many tokenizers leave out the space at a beginning.
    """
    return tuple(
        tuple(
            Alternative(_behind(decode, token_ids[:index], token), log_probability, token)
            for token, log_probability in each
        )
        for index, each in enumerate(alternatives)
    )


def _behind(decode: Callable[[Sequence[int]], str], said: Sequence[int], token: int) -> str:
    before = said[-1:]
    return decode([*before, token]).removeprefix(decode(before))


def cannot(engine: str, what: str, cure: str = "take the native engine") -> UsageError:
    """The one sentence about what an engine cannot do or give."""
    return UsageError(f"the {engine} engine {what}; {cure}")
