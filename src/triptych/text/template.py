"""Conversations to pieces: token ids and picture slots, and which tokens are to be learned.

    messages -> texts replaced by marks -> template -> marks found again -> pieces
                                                          template text: may write special tokens
                                                          message text:  never can

The template is trusted, what people write is not. Every message text is replaced by an unguessable
mark before the template runs, so the result shows which characters came from whom. Text between
two special tokens is tokenised in one go, as if the whole conversation were one string; only the
start of an answer begins anew, because that is where a prompt ends when the model is asked.
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NoReturn, TypeAlias, cast

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from triptych.errors import ConfigError, TokenError
from triptych.text.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Tokens of text."""

    token_ids: list[int]
    is_answer: bool
    """True for what an assistant said, its end token included."""


@dataclass(frozen=True, slots=True)
class ImagePiece:
    """The place of one picture."""

    image_index: int
    """Which picture of the conversation, in order of appearance."""


Piece: TypeAlias = TextPiece | ImagePiece


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatTemplate:
    """How a conversation becomes text."""

    source: str
    """Jinja2, in the dialect of published chat templates."""

    end_tokens: tuple[str, ...]
    """Special tokens that end an answer; the first also serves as padding."""

    image_token: str
    """Special token that the template writes where a picture stands."""

    bos_token: str = ""
    """What the template may write as `bos_token`."""

    def __post_init__(self) -> None:
        if not self.end_tokens:
            raise ConfigError("a chat template needs at least one end token")

    def render(self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool) -> str:
        """The conversation as text, for people to look at; models get `pieces`.

        Raises:
            TokenError: the template refuses the conversation or is broken.
        """
        try:
            return _compile(self.source).render(
                messages=list(messages),
                add_generation_prompt=add_generation_prompt,
                bos_token=self.bos_token,
                eos_token=self.end_tokens[0],
            )
        except TemplateError as error:
            raise TokenError(f"the chat template failed: {error}") from error

    def pieces(
        self,
        messages: Sequence[Mapping[str, Any]],
        tokenizer: Tokenizer,
        *,
        add_generation_prompt: bool,
    ) -> list[Piece]:
        """The conversation as token ids and picture slots.

        Raises:
            TokenError: a message is malformed, or the template drops or repeats a picture.
        """
        check_messages(messages)
        marks = _Marks()
        text = self.render(
            [marks.replace(message) for message in messages],
            add_generation_prompt=add_generation_prompt,
        )
        spans = list(_spans(text, marks, tokenizer, _prompt_ends_in_space(self)))
        pieces = list(self._tokenize(spans, tokenizer))
        num_slots = sum(isinstance(piece, ImagePiece) for piece in pieces)
        if num_slots != marks.num_images:
            raise TokenError(
                f"the conversation holds {marks.num_images} pictures but its template wrote "
                f"{num_slots} slots; the template does not fit these messages"
            )
        return pieces

    def _tokenize(self, spans: Sequence["_Span"], tokenizer: Tokenizer) -> Iterator[Piece]:
        in_answer, num_images = False, 0
        for span in spans:
            if span.kind == "text":
                in_answer = in_answer or span.is_answer
                yield TextPiece(tokenizer.encode(span.text), span.is_answer)
            elif span.text == self.image_token:
                yield ImagePiece(num_images)
                num_images += 1
            else:
                ends = in_answer and span.text in self.end_tokens
                yield TextPiece([tokenizer.special(span.text)], ends)
                in_answer = in_answer and not ends


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse malformed conversations, naming the message and the cure.

    Raises:
        TokenError: no messages, an unknown role, or content of another form.
    """
    if not messages:
        raise TokenError("the conversation is empty; give at least one message")
    for number, message in enumerate(messages, start=1):
        if message.get("role") not in ROLES:
            raise TokenError(
                f"message {number} has role {message.get('role')!r}; use one of {', '.join(ROLES)}"
            )
        content: object = message.get("content")
        if isinstance(content, str):
            continue
        if not isinstance(content, Sequence):
            raise TokenError(f"message {number} has no content; give a text or a list of parts")
        for part in cast(Sequence[object], content):
            if not _is_part(part):
                raise TokenError(
                    f"message {number} has the part {part!r}; a part is "
                    '{"type": "text", "text": ...} or {"type": "image", "image": ...}'
                )


def _is_part(part: object) -> bool:
    if not isinstance(part, Mapping):
        return False
    fields = cast(Mapping[str, object], part)
    if fields.get("type") == "text":
        return isinstance(fields.get("text"), str)
    return fields.get("type") == "image" and "image" in fields


class _Marks:
    """Unguessable stand-ins for the texts of messages."""

    def __init__(self) -> None:
        self.secret = secrets.token_hex(16)
        self.texts: list[tuple[str, bool]] = []
        """Each text, and whether an assistant said it."""
        self.num_images = 0
        self.pattern = re.compile(rf"\[{self.secret}:(\d+)\]")

    def replace(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message with marks in place of its texts and no pictures in its picture parts."""
        is_answer = message["role"] == "assistant"
        content = message["content"]
        if isinstance(content, str):
            return {**message, "content": self._mark(content, is_answer)}
        parts: list[dict[str, Any]] = []
        for part in content:
            if part["type"] == "text":
                parts.append({"type": "text", "text": self._mark(part["text"], is_answer)})
            else:
                self.num_images += 1
                parts.append({"type": "image"})
        return {**message, "content": parts}

    def _mark(self, text: str, is_answer: bool) -> str:
        self.texts.append((text, is_answer))
        return f"[{self.secret}:{len(self.texts) - 1}]"


@dataclass(slots=True)
class _Span:
    kind: Literal["text", "special"]
    text: str
    is_answer: bool = False


def _spans(
    rendered: str, marks: _Marks, tokenizer: Tokenizer, prompt_ends_in_space: bool
) -> Iterator[_Span]:
    """Special tokens of the template, and the longest runs of ordinary text between them."""
    run: _Span | None = None
    for span in _sources(rendered, marks, tokenizer):
        if span.kind == "special":
            if run is not None and run.text:
                yield run
            run = None
            yield span
        elif run is None or (span.is_answer and not run.is_answer):
            space = ""
            if run is not None and span.is_answer and not prompt_ends_in_space:
                # "ASSISTANT: yes" is asked as "ASSISTANT:", so the space is the model's to say.
                kept = run.text.rstrip(" ")
                space, run.text = run.text[len(kept) :], kept
            if run is not None and run.text:
                yield run
            run = _Span("text", space + span.text, span.is_answer)
        else:
            run.text += span.text
    if run is not None and run.text:
        yield run


def _sources(rendered: str, marks: _Marks, tokenizer: Tokenizer) -> Iterator[_Span]:
    """Template text, special tokens of the template, and message texts, in order."""
    specials = sorted(tokenizer.special_tokens, key=len, reverse=True)
    special_pattern = re.compile("(" + "|".join(map(re.escape, specials)) + ")")
    for index, part in enumerate(marks.pattern.split(rendered)):
        if index % 2:
            text, is_answer = marks.texts[int(part)]
            yield _Span("text", text, is_answer)
            continue
        for number, piece in enumerate(special_pattern.split(part) if specials else [part]):
            if number % 2:
                yield _Span("special", piece)
            elif piece:
                yield _Span("text", piece)


@lru_cache(maxsize=32)
def _prompt_ends_in_space(template: ChatTemplate) -> bool:
    messages = [{"role": "user", "content": "?"}]
    return template.render(messages, add_generation_prompt=True).endswith(" ")


@lru_cache(maxsize=32)
def _compile(source: str) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse  # pyright: ignore[reportArgumentType]
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise TokenError(f"the chat template is not valid jinja2: {error}") from error


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
