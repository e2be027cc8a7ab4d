"""Tokens laid along the text that they should write.

White space is left out of the alignment, because tokenizers take some away and add some. Whether a
token of nothing but white space belongs to an answer is told from the text where both have the
same white space there; elsewhere either is right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from triptych.preflight.expecting import SLOT, ExpectedText

WHITE = b" \t\n\r\x0b\x0c"

EITHER = -1
"""Belongs to an answer or to what is around it; the text does not tell."""


@dataclass(frozen=True, slots=True)
class WrittenToken:
    """A token of one conversation, and where what it writes stands without white space."""

    index: int
    """In the sample."""
    written: bytes
    start: int
    stop: int
    is_picture: bool = False


def visible(text: str) -> bytes:
    """A text without its white space."""
    return text.encode(errors="replace").translate(None, WHITE)


def lowered(token: WrittenToken) -> WrittenToken:
    """The same in small letters."""
    return replace(token, written=token.written.lower())


def difference(tokens: Sequence[WrittenToken], text: str, *, is_cut: bool) -> str:
    """Where what the tokens write is not the text; nothing where it is."""
    written = b"".join(token.written for token in tokens).translate(None, WHITE)
    wanted = visible(text)
    if written == wanted or (is_cut and wanted.startswith(written)):
        return ""
    if wanted.startswith(written):
        return f"the sequence ends before {_beginning(wanted[len(written) :])}"
    if written.startswith(wanted):
        return f"the sequence goes on with {_beginning(written[len(wanted) :])} behind its end"
    place = next(i for i, (a, b) in enumerate(zip(written, wanted, strict=False)) if a != b)
    return (
        f"the sequence goes on with {_beginning(written[place:])}, the conversation with "
        f"{_beginning(wanted[place:])}"
    )


def _beginning(written: bytes) -> str:
    shown = written[:24].decode(errors="replace").replace(SLOT, "[picture]")
    return repr(shown + ("..." if len(written) > 24 else ""))


def belonging(tokens: Sequence[WrittenToken], expected: ExpectedText) -> list[int | None]:
    """Which answer each token belongs to, by its message; None for none."""
    belongs: list[int | None] = [None] * len(tokens)
    for answer in expected.answers:
        start = len(visible(expected.text[: answer.start]))
        stop = len(visible(expected.text[: answer.stop]))
        first, last = (
            _white_space(tokens, expected.text, offset, place)
            for offset, place in ((answer.start, start), (answer.stop, stop))
        )
        for number, token in enumerate(tokens):
            if token.is_picture:
                continue
            if token.start < token.stop:
                if start <= token.start and token.stop <= stop:
                    belongs[number] = answer.message_index
                elif token.start < start < token.stop or token.start < stop < token.stop:
                    belongs[number] = EITHER
            elif start < token.start < stop:
                belongs[number] = answer.message_index if token.written else EITHER
            elif number in first and number in last:
                belongs[number] = EITHER
            elif first.get(number, False) is not False:
                belongs[number] = answer.message_index if first[number] else EITHER
            elif number in last and last[number] is not True:
                belongs[number] = EITHER if last[number] is None else answer.message_index
    return belongs


def _white_space(
    tokens: Sequence[WrittenToken], text: str, offset: int, place: int
) -> dict[int, bool | None]:
    """Tokens of white space at a place of the text, each with whether it stands behind an offset
    there; None where tokens and text have other white space."""
    here = [i for i, token in enumerate(tokens) if token.start == token.stop == place]
    here = [number for number in here if not tokens[number].is_picture]
    if not here:
        return {}
    before = tokens[here[0] - 1].written if here[0] else b""
    behind = tokens[here[-1] + 1].written if here[-1] + 1 < len(tokens) else b""
    position = len(before) - len(before.rstrip(WHITE))
    has = before[len(before) - position :] + b"".join(tokens[i].written for i in here)
    has += behind[: len(behind) - len(behind.lstrip(WHITE))]
    left, right = text[:offset].encode(errors="replace"), text[offset:].encode(errors="replace")
    in_front = left[len(left.rstrip(WHITE)) :]
    if has != in_front + right[: len(right) - len(right.lstrip(WHITE))]:
        return dict.fromkeys(here)
    found: dict[int, bool | None] = {}
    for number in here:
        found[number] = position >= len(in_front)
        position += len(tokens[number].written)
    return found
