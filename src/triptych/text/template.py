"""Conversations to pieces: token ids and picture slots, and which tokens are to be learned.

    messages -> texts replaced by marks -> template -> marks found again -> pieces
                                                          template text: may write special tokens
                                                          message text:  never can

The template is trusted, what people write is not. Text between two special tokens is tokenised in
one go, as if the whole conversation were one string; only an answer begins anew, because that is
where a prompt ends when the model is asked.

An answer reaches from the end of the prompt that would ask for it, as the template itself writes
it with `add_generation_prompt`, to the first end token behind the assistant's text. Where a
template ends answers with no special token, it reaches to the end of the text.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from triptych.errors import ConfigError, TokenError
from triptych.text.jinja import ContentForm, content_form, render
from triptych.text.marks import Marks, Source
from triptych.text.messages import Message, check_messages, parts_of
from triptych.text.tokenizer import Before, Tokenizer


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
    """Jinja2, in the dialect of published chat templates. Besides `messages`, `tools` and
    `add_generation_prompt` it may use `bos_token`, `eos_token` and `image_token`."""

    end_tokens: tuple[str, ...]
    """Special tokens that end an answer; the first is `eos_token` and also serves as padding."""

    image_token: str
    """Special token that the template writes where a picture stands."""

    bos_token: str = ""
    """What the template may write in front of everything."""

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
    ) -> str:
        """The conversation as text, for people to look at; models get `pieces`.

        Raises:
            TokenError: a message is malformed, or the template refuses the conversation.
        """
        writing = _Writing(self, messages, tools, add_generation_prompt)
        return "".join(
            source.text if source.image_index is None else self.image_token
            for source in writing.sources
        )

    def pieces(
        self,
        messages: Sequence[Message],
        tokenizer: Tokenizer,
        *,
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Piece]:
        """The conversation as token ids and picture slots.

        Raises:
            TokenError: a message is malformed, the template refuses the conversation, its image
                token is unknown to the tokenizer, or it drops or repeats a picture.
        """
        tokenizer.special(self.image_token)
        writing = _Writing(self, messages, tools, add_generation_prompt)
        atoms = list(_atoms(writing.sources, tokenizer, self.image_token))
        answers = list(writing.answers(atoms))
        num_slots = sum(atom.kind == "image" for atom in atoms)
        if num_slots != writing.marks.num_images:
            raise TokenError(
                f"the conversation holds {writing.marks.num_images} pictures but its template "
                f"wrote {num_slots} slots; the template does not fit these messages"
            )
        return list(_tokenize(list(_runs(atoms, answers)), answers, tokenizer))


@dataclass(frozen=True, slots=True)
class _Atom:
    """A stretch of text from one hand, one special token of the template, or one picture."""

    kind: Literal["text", "special", "image"]
    text: str
    start: int
    """Where it begins in the template's output."""
    stop: int


class _Writing:
    """One conversation on its way through a template."""

    def __init__(
        self,
        template: ChatTemplate,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]] | None,
        add_generation_prompt: bool,
    ) -> None:
        check_messages(messages)
        self.template = template
        self.marks = Marks()
        self.roles = [message["role"] for message in messages]
        form = content_form(template.source)
        self.messages = [
            _with_marks(message, index, self.marks, form) for index, message in enumerate(messages)
        ]
        self.tools = None if tools is None else self.marks.structure(tools, -1)
        self.output = self._render(len(messages), add_generation_prompt)
        self.sources = list(self.marks.split(self.output))

    def answers(self, atoms: Sequence[_Atom]) -> Iterator[range]:
        """Where each answer begins and ends in the template's output."""
        for index, role in enumerate(self.roles):
            own = [source for source in self.sources if source.message_index == index]
            start = self._start(index, own) if role == "assistant" else None
            if start is not None:
                yield range(start, self._stop(own[-1].stop if own else start, atoms))

    def _render(self, num_messages: int, add_generation_prompt: bool) -> str:
        return render(
            self.template.source,
            messages=self.messages[:num_messages],
            add_generation_prompt=add_generation_prompt,
            tools=self.tools,
            bos_token=self.template.bos_token,
            eos_token=self.template.end_tokens[0],
            image_token=self.template.image_token,
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

    def _stop(self, spoken: int, atoms: Sequence[_Atom]) -> int:
        """Behind the first end token after what was spoken, if it comes before anything else is."""
        later = (s.start for s in self.sources if s.message_index is not None)
        limit = min((start for start in later if start >= spoken), default=len(self.output))
        for atom in atoms:
            is_end = atom.kind == "special" and atom.text in self.template.end_tokens
            if is_end and spoken <= atom.start < limit:
                return atom.stop
        return spoken


def _with_marks(message: Message, index: int, marks: Marks, form: ContentForm) -> dict[str, Any]:
    """The message with marks for all it says, in the form that the template reads."""
    marked = {
        str(key): marks.structure(value, index)
        for key, value in message.items()
        if key not in ("role", "content")
    }
    parts = parts_of(message)
    has_images = any(part["type"] == "image" for part in parts)
    if form.parts and (has_images or not form.text):
        body = [_part_with_marks(part, index, marks) for part in parts]
    elif has_images:
        body = "".join(
            marks.image(index) if part["type"] == "image" else marks.text(part["text"], index)
            for part in parts
        )
    else:
        body = marks.text("".join(part["text"] for part in parts), index)
    return {"role": message["role"], "content": body, **marked}


def _part_with_marks(part: Mapping[str, Any], index: int, marks: Marks) -> dict[str, Any]:
    if part["type"] == "text":
        return {"type": "text", "text": marks.text(part["text"], index)}
    marks.count_image()
    # The picture itself stays outside: a template may only ask whether there is one.
    return {"type": "image", "image": True}


def _atoms(sources: Sequence[Source], tokenizer: Tokenizer, image_token: str) -> Iterator[_Atom]:
    for source in sources:
        if source.image_index is not None:
            yield _Atom("image", "", source.start, source.stop)
        elif source.message_index is not None:
            yield _Atom("text", source.text, source.start, source.stop)
        else:
            start = source.start
            for text, is_special in tokenizer.split_control(source.text):
                kind = "text" if not is_special else "image" if text == image_token else "special"
                yield _Atom(kind, text, start, start + len(text))
                start += len(text)


def _runs(atoms: Sequence[_Atom], answers: Sequence[range]) -> Iterator[_Atom]:
    """Neighbouring texts joined into one, except across the ends of answers."""
    cuts = {cut for answer in answers for cut in (answer.start, answer.stop)}
    run: _Atom | None = None
    for atom in _cut(atoms, cuts):
        if run is not None and atom.kind == "text" and atom.start not in cuts:
            run = replace(run, text=run.text + atom.text, stop=atom.stop)
            continue
        if run is not None:
            yield run
        run = atom if atom.kind == "text" else None
        if atom.kind != "text":
            yield atom
    if run is not None:
        yield run


def _cut(atoms: Sequence[_Atom], cuts: set[int]) -> Iterator[_Atom]:
    """Template texts cut where an answer begins or ends; message texts hold no cuts."""
    for atom in atoms:
        start, text = atom.start, atom.text
        inner = [cut for cut in sorted(cuts) if atom.start < cut < atom.stop]
        for cut in inner if atom.kind == "text" else []:
            head, text = text[: cut - start], text[cut - start :]
            yield replace(atom, text=head, start=start, stop=cut)
            start = cut
        yield replace(atom, text=text, start=start)


def _tokenize(
    runs: Sequence[_Atom], answers: Sequence[range], tokenizer: Tokenizer
) -> Iterator[Piece]:
    """Pieces as long as possible: one of text ends only at a picture or where an answer does."""
    token_ids: list[int] = []
    is_answer = False
    num_images = 0
    starts = {answer.start for answer in answers}
    for index, run in enumerate(runs):
        belongs = any(run.start in answer for answer in answers)
        if token_ids and (run.kind == "image" or belongs != is_answer or run.start in starts):
            yield TextPiece(token_ids, is_answer)
            token_ids = []
        is_answer = belongs
        if run.kind == "image":
            yield ImagePiece(num_images)
            num_images += 1
        else:
            token_ids = token_ids + _token_ids(runs, index, tokenizer)
    if token_ids:
        yield TextPiece(token_ids, is_answer)


def _token_ids(runs: Sequence[_Atom], index: int, tokenizer: Tokenizer) -> list[int]:
    """Tokens of one run, as they would be within the whole conversation."""
    run = runs[index]
    if run.kind == "special":
        return [tokenizer.special(run.text)]
    text, before = run.text, _before(runs, index)
    if before == "special" and tokenizer.swallows_space(runs[index - 1].text)[1]:
        text = text.lstrip()
    if index + 1 < len(runs) and tokenizer.swallows_space(runs[index + 1].text)[0]:
        text = text.rstrip()
    return tokenizer.encode(text, before=before) if text else []


def _before(runs: Sequence[_Atom], index: int) -> Before:
    if index == 0:
        return "nothing"
    return "text" if runs[index - 1].kind == "text" else "special"
