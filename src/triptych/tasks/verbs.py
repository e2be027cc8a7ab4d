"""One question without an assistant: load, ask, forget.

    triptych.ask(["scene.png"], "what is it?")
    triptych.ask(["scene.png"], "what is it?", engine="openai", url="http://localhost:8000")

Whoever asks more than once loads once: `triptych.load` takes the same names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from triptych.checkpoint.precision import QuantizeConfig
from triptych.generate import GenerationOptions
from triptych.tasks.assistant import Assistant
from triptych.tasks.converse import Conversation
from triptych.tasks.loading import load
from triptych.tasks.read import Reading, Schema
from triptych.tasks.responding import Answer
from triptych.text import Located

VERBS = ("ask", "caption", "chat", "locate", "point", "read", "watch")


class Where(TypedDict, total=False):
    """Which model, and what runs it; see `triptych.load`."""

    model: str | Path | None
    max_pixels: int | None
    engine: str
    url: str | None
    key_variable: str
    timeout_s: float
    coordinates: str | None
    dtype: str
    quantize: QuantizeConfig | str
    offline: bool
    base: str | Path | None


def ask(
    pictures: Sequence[object],
    question: str,
    options: GenerationOptions | None = None,
    **where: Unpack[Where],
) -> Answer:
    """The answer to a question about pictures; see `Assistant.ask`."""
    return _assistant(where).ask(pictures, question, options)


def caption(
    pictures: Sequence[object],
    options: GenerationOptions | None = None,
    *,
    prompt: str | None = None,
    **where: Unpack[Where],
) -> list[Answer]:
    """One description a picture; see `Assistant.caption`."""
    return _assistant(where).caption(pictures, options, prompt=prompt)


def locate(
    picture: object,
    phrase: str,
    options: GenerationOptions | None = None,
    *,
    prompt: str | None = None,
    **where: Unpack[Where],
) -> list[Located]:
    """Boxes around what the phrase means; see `Assistant.locate`."""
    return _assistant(where).locate(picture, phrase, options, prompt=prompt)


def point(
    picture: object,
    phrase: str,
    options: GenerationOptions | None = None,
    *,
    prompt: str | None = None,
    **where: Unpack[Where],
) -> list[Located]:
    """Points on what the phrase means; see `Assistant.point`."""
    return _assistant(where).point(picture, phrase, options, prompt=prompt)


def read(
    document: object,
    schema: Schema | None = None,
    options: GenerationOptions | None = None,
    *,
    prompt: str | None = None,
    **where: Unpack[Where],
) -> Reading:
    """A picture of a document as JSON; see `Assistant.read`."""
    return _assistant(where).read(document, schema, options, prompt=prompt)


def watch(
    clip: object,
    question: str,
    options: GenerationOptions | None = None,
    *,
    fps: float | None = None,
    max_frames: int | None = None,
    **where: Unpack[Where],
) -> Answer:
    """The answer to a question about a clip; see `Assistant.watch`."""
    return _assistant(where).watch(clip, question, options, fps=fps, max_frames=max_frames)


def chat(
    pictures: Sequence[object] = (),
    options: GenerationOptions | None = None,
    **where: Unpack[Where],
) -> Conversation:
    """A conversation that begins with these pictures; see `Assistant.chat`."""
    return _assistant(where).chat(pictures, options)


def _assistant(where: Where) -> Assistant:
    rest = {name: value for name, value in where.items() if name != "model"}
    return load(where.get("model"), **cast(Any, rest))
