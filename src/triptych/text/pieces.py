"""What a template wrote, cut into pieces: token ids and picture slots.

    sources -> atoms: stretches of text, special tokens, pictures
            -> runs:  neighbouring texts joined, except across the ends of answers
            -> pieces

Text between two special tokens is tokenised in one go, as if the whole conversation were one
string; only an answer begins anew, because that is where a prompt ends when the model is asked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from triptych.text.marks import Source
from triptych.text.tokenizer import Before, Tokenizer


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Tokens of text."""

    token_ids: list[int]
    is_answer: bool
    """True for what an assistant said, its end token included."""


@dataclass(frozen=True, slots=True)
class ImagePiece:
    """The place of one picture or clip."""

    image_index: int
    """Which picture or clip of the conversation, in order of appearance."""


Piece: TypeAlias = TextPiece | ImagePiece


class Atom(NamedTuple):
    """A stretch of text from one hand, one special token of the template, or one picture."""

    kind: Literal["text", "special", "image"]
    text: str
    """Of a picture: the token that the template wrote for it, if it did."""
    start: int
    """Where it begins in the template's output."""
    stop: int


def atoms(
    sources: Sequence[Source], tokenizer: Tokenizer, slot_tokens: Sequence[str]
) -> Iterator[Atom]:
    """The template's output taken apart; special tokens only where control may be written."""
    for source in sources:
        if source.image_index is not None:
            yield Atom("image", "", source.start, source.stop)
        elif source.message_index is None:
            start = source.start
            for text, is_special in tokenizer.split_control(source.text):
                kind = "text" if not is_special else "image" if text in slot_tokens else "special"
                yield Atom(kind, text, start, start + len(text))
                start += len(text)
        else:
            yield from _of_message(source, tokenizer)


def _of_message(source: Source, tokenizer: Tokenizer) -> Iterator[Atom]:
    """What one mark stands for; every atom takes one place of the mark, the last one the rest."""
    parts: list[tuple[str, bool]] = []
    for segment in source.segments:
        if segment.is_control:
            parts += tokenizer.split_control(segment.text)
        else:
            parts.append((segment.text, False))
    for index, (text, is_special) in enumerate(parts, start=1):
        start = source.start + index - 1
        stop = start + 1 if index < len(parts) else source.stop
        yield Atom("special" if is_special else "text", text, start, stop)


def tokenize(
    parts: Sequence[Atom], answers: Sequence[range], tokenizer: Tokenizer
) -> Iterator[Piece]:
    """Pieces as long as possible: one of text ends only at a picture or where an answer does."""
    cuts = {cut for answer in answers for cut in (answer.start, answer.stop)}
    runs = list(_runs(parts, cuts))
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


def _runs(parts: Sequence[Atom], cuts: set[int]) -> Iterator[Atom]:
    """Neighbouring texts joined into one, except across the ends of answers."""
    run: Atom | None = None
    for atom in _cut(parts, cuts):
        if run is not None and atom.kind == "text" and atom.start not in cuts:
            run = Atom("text", run.text + atom.text, run.start, atom.stop)
            continue
        if run is not None:
            yield run
        run = atom if atom.kind == "text" else None
        if atom.kind != "text":
            yield atom
    if run is not None:
        yield run


def _cut(parts: Sequence[Atom], cuts: set[int]) -> Iterator[Atom]:
    """Template texts cut where an answer begins or ends; message texts hold no cuts."""
    for atom in parts:
        inner: list[int] = []
        if atom.kind == "text":
            inner = sorted(cut for cut in cuts if atom.start < cut < atom.stop)
        start, text = atom.start, atom.text
        for cut in inner:
            yield Atom("text", text[: cut - start], start, cut)
            start, text = cut, text[cut - start :]
        yield Atom(atom.kind, text, start, atom.stop) if inner else atom


def _token_ids(runs: Sequence[Atom], index: int, tokenizer: Tokenizer) -> list[int]:
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


def _before(runs: Sequence[Atom], index: int) -> Before:
    if index == 0:
        return "nothing"
    return "text" if runs[index - 1].kind == "text" else "special"
