"""Conversations to pieces: token ids and picture slots, and which tokens are to be learned.

    messages -> texts replaced by marks -> template -> marks found again -> pieces
                                                          template text: may write special tokens
                                                          message text:  never can

The template is trusted, what people write is not. A box or a point is both: how it is written is
trusted, its label is not.

An answer reaches from the end of the prompt that would ask for it, as the template itself writes
it with `add_generation_prompt`, to the first end token behind the assistant's text. Where a
template ends answers with no special token, it reaches to the end of the text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from triptych.errors import ConfigError, TokenError
from triptych.text.jinja import ContentForm, content_form, render
from triptych.text.marks import Marks, Segment, Source
from triptych.text.messages import Message, Part, check_messages, parts_of
from triptych.text.pieces import Atom, Piece, atoms, tokenize
from triptych.text.tokenizer import Tokenizer

_VISUAL = ("image", "video")

Spelling: TypeAlias = Callable[[Part], tuple[Segment, ...]]
"""How a box or a point of a message is written, see `triptych.text.coordinates`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatTemplate:
    """How a conversation becomes text."""

    source: str
    """Jinja2, in the dialect of published chat templates. Besides `messages`, `tools` and
    `add_generation_prompt` it may use `bos_token`, `eos_token`, `image_token`, `video_token`."""

    end_tokens: tuple[str, ...]
    """Special tokens that end an answer; the first is `eos_token` and also serves as padding."""

    image_token: str
    """Special token that the template writes where a picture stands."""

    bos_token: str = ""
    """What the template may write in front of everything."""

    video_token: str = ""
    """Special token that the template writes where a clip stands; empty when it knows none."""

    stop_tokens: tuple[str, ...] = ()
    """Ordinary tokens that end an answer too, as the vocabulary spells them: BLIP-2 with OPT stops
    at a line end."""

    def __post_init__(self) -> None:
        if not self.end_tokens or not all(self.end_tokens):
            raise ConfigError("a chat template needs at least one end token, none of them empty")
        if not self.image_token:
            raise ConfigError("a chat template needs an image token, got an empty one")

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        spell: Spelling | None = None,
    ) -> str:
        """The conversation as text, for people to look at; models get `pieces`.

        Raises:
            TokenError: a message is malformed, or the template refuses the conversation.
        """
        writing = _Writing(self, messages, tools, add_generation_prompt, spell)
        return "".join(
            source.text
            if source.image_index is None
            else self._slot_token(writing.marks.images[source.image_index])
            for source in writing.sources
        )

    def pieces(
        self,
        messages: Sequence[Message],
        tokenizer: Tokenizer,
        *,
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        spell: Spelling | None = None,
    ) -> list[Piece]:
        """The conversation as token ids and picture slots.

        Raises:
            TokenError: a message is malformed, the template refuses the conversation, its image
                token is unknown to the tokenizer, it drops or repeats a picture, or there is a
                box or a point and no `spell`.
        """
        slot_tokens = [token for token in (self.image_token, self.video_token) if token]
        for token in slot_tokens:
            tokenizer.special(token)
        writing = _Writing(self, messages, tools, add_generation_prompt, spell)
        parts = list(atoms(writing.sources, tokenizer, slot_tokens))
        self._check_slots([atom.text for atom in parts if atom.kind == "image"], writing.marks)
        return list(tokenize(parts, list(writing.answers(parts)), tokenizer))

    def _slot_token(self, kind: str) -> str:
        return self.video_token if kind == "video" else self.image_token

    def _check_slots(self, tokens: Sequence[str], marks: Marks) -> None:
        if len(tokens) != len(marks.images):
            raise TokenError(
                f"the conversation holds {len(marks.images)} pictures but its template "
                f"wrote {len(tokens)} slots; the template does not fit these messages"
            )
        for kind, token in zip(marks.images, tokens, strict=True):
            if token and token != self._slot_token(kind):
                raise TokenError(
                    f"the template wrote {token} where the conversation holds a part of type "
                    f"{kind}; the template does not fit these messages"
                )


class _Writing:
    """One conversation on its way through a template."""

    def __init__(
        self,
        template: ChatTemplate,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None,
        add_generation_prompt: bool,
        spell: Spelling | None,
    ) -> None:
        check_messages(messages)
        _check_videos(template, messages)
        self.template = template
        self.marks = Marks()
        self.spell = spell or _no_spelling
        self.roles = [message["role"] for message in messages]
        form = content_form(template.source)
        self.messages = [self._marked(message, i, form) for i, message in enumerate(messages)]
        self.tools = None if tools is None else self.marks.structure(tools, -1)
        self.output = self._render(len(messages), add_generation_prompt)
        self.sources = list(self.marks.split(self.output))

    def answers(self, parts: Sequence[Atom]) -> Iterator[range]:
        """Where each answer begins and ends in the template's output."""
        for index, role in enumerate(self.roles):
            if role != "assistant":
                continue
            own = [source for source in self.sources if source.message_index == index]
            start = self._start(index, own)
            if start is not None:
                yield range(start, self._stop(own[-1].stop if own else start, parts))

    def _render(self, num_messages: int, add_generation_prompt: bool) -> str:
        return render(
            self.template.source,
            messages=self.messages[:num_messages],
            add_generation_prompt=add_generation_prompt,
            tools=self.tools,
            bos_token=self.template.bos_token,
            eos_token=self.template.end_tokens[0],
            image_token=self.template.image_token,
            video_token=self.template.video_token,
        )

    def _start(self, index: int, own: Sequence[Source]) -> int | None:
        """Where the prompt ends that asks for this answer, or else where the answer's text begins.

        Some templates write another prompt than they write in front of a given answer, or none
        for a conversation cut short.
        """
        first = own[0].start if own else None
        try:
            prompt = self._render(index, add_generation_prompt=True)
        except TokenError:
            return first
        fits = self.output.startswith(prompt) and (first is None or len(prompt) <= first)
        return len(prompt) if fits else first

    def _stop(self, spoken: int, parts: Sequence[Atom]) -> int:
        """Behind the first end token after what was spoken, if it comes before anything else is."""
        later = (s.start for s in self.sources if s.message_index is not None)
        limit = min((start for start in later if start >= spoken), default=len(self.output))
        for atom in parts:
            is_end = atom.kind == "special" and atom.text in self.template.end_tokens
            if is_end and spoken <= atom.start < limit:
                return atom.stop
        return spoken

    def _marked(self, message: Message, index: int, form: ContentForm) -> dict[str, Any]:
        """The message with marks for all it says, in the form that the template reads."""
        parts = parts_of(message)
        has_images = any(part["type"] in _VISUAL for part in parts)
        if form.parts and (has_images or not form.text):
            content = [self._marked_part(part, index) for part in parts]
        elif all(part["type"] == "text" for part in parts):
            content = self.marks.text("".join(part["text"] for part in parts), index)
        else:
            content = "".join(self._mark(part, index) for part in parts)
        marked: dict[str, Any] = {"role": message["role"], "content": content}
        for key, value in message.items():
            if key not in marked:
                marked[str(key)] = self.marks.structure(value, index)
        return marked

    def _marked_part(self, part: Part, index: int) -> dict[str, Any]:
        kind = part["type"]
        if kind not in _VISUAL:
            return {"type": "text", "text": self._mark(part, index)}
        self.marks.images.append(kind)
        # The picture itself stays outside: a template may only ask whether there is one.
        return {"type": kind, kind: True}

    def _mark(self, part: Part, index: int) -> str:
        if part["type"] == "text":
            return self.marks.text(part["text"], index)
        if part["type"] in _VISUAL:
            return self.marks.image(part["type"], index)
        return self.marks.spelled(self.spell(part), index)


def _check_videos(template: ChatTemplate, messages: Sequence[Message]) -> None:
    if not template.video_token and any(
        part["type"] == "video" for message in messages for part in parts_of(message)
    ):
        raise TokenError(
            "a message holds a video, and this model's chat template has no token for one; give "
            "some of its frames as images"
        )


def _no_spelling(part: Part) -> tuple[Segment, ...]:
    raise TokenError(
        f"a message holds a {part['type']}, which this model has no way to write; describe the "
        "place in words, or set coordinates in the processor's configuration"
    )
