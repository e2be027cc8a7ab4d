"""Stand-ins for what people wrote, so that a template's output shows who wrote what.

Before a template runs, every text, picture and box of the messages is replaced by a mark that
nobody can guess. In the output the marks are found again: what lies between them is the template's
own. A mark may stand for several segments, some of them control: a box does, with its label.

A text keeps its leading and trailing white space outside of its mark, so that a template that
trims texts still does. Anything else a template does to a text (cutting, counting, searching) it
does to the mark: changing case has no effect, taking a mark apart is an error.
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from triptych.errors import TokenError

_OPEN, _CLOSE = "\ue000", "\ue001"  # private characters, which templates do not use
_IN_JSON = "j"
_MARK = re.compile(f"{_OPEN}(\\d+):(\\d+)({_IN_JSON}?){_CLOSE}")
_DEEPEST = 64
_SECRET = f"{secrets.randbelow(10**32):032}"  # digits survive upper() and lower()
# One for all conversations of a process, so that those of one shape are rendered once. Nothing
# that people write reaches a template but names, numbers and white space, hence no mark either.


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of what a mark stands for."""

    text: str
    is_control: bool
    """True where special tokens may be written: this text comes from this package."""


@dataclass(frozen=True, slots=True)
class Source:
    """One stretch of a template's output: the template's own text, or what a mark stands for."""

    start: int
    """Where it begins in the output, marks included."""
    stop: int
    segments: tuple[Segment, ...]
    """What stands there; nothing for a picture."""
    message_index: int | None = None
    """Which message it comes from; None for the template's own text."""
    image_index: int | None = None
    """Which picture it stands for, if any."""

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class _Mark:
    message_index: int
    segments: tuple[Segment, ...] = ()
    image_index: int | None = None


class Marks:
    """The marks of one conversation."""

    def __init__(self) -> None:
        self.images: list[str] = []
        """Type of each picture or clip: `image`, `video`."""
        self._marks: list[_Mark] = []

    def text(self, text: str, message_index: int) -> str:
        """A text's stand-in; white space at both ends stays itself, outside of the mark."""
        core = text.strip()
        if not core:
            return text
        before, _, after = text.partition(core)
        return f"{before}{self._new(_Mark(message_index, (Segment(core, False),)))}{after}"

    def spelled(self, segments: tuple[Segment, ...], message_index: int) -> str:
        """The stand-in of something that is written with control, such as a box."""
        return self._new(_Mark(message_index, segments))

    def image(self, kind: str, message_index: int) -> str:
        """The stand-in of a picture or clip, for templates that know texts only."""
        self.images.append(kind)
        return self._new(_Mark(message_index, image_index=len(self.images) - 1))

    def structure(self, value: object, message_index: int, depth: int = 0) -> Any:
        """A tree of mappings, lists and scalars with all its texts replaced.

        Plain names (of keys and of `type`) stay, because templates compare them.

        Raises:
            TokenError: it is nested too deeply.
        """
        if depth > _DEEPEST:
            raise TokenError(f"a message is nested more than {_DEEPEST} levels deep; flatten it")
        if isinstance(value, str):
            return self.text(value, message_index)
        if isinstance(value, Mapping):
            pairs = cast(Mapping[object, object], value).items()
            return {
                self._key(key, message_index): item
                if key == "type" and _is_name(item)
                else self.structure(item, message_index, depth + 1)
                for key, item in pairs
            }
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            items = cast(Sequence[object], value)
            return [self.structure(item, message_index, depth + 1) for item in items]
        return value if value is None or isinstance(value, bool | int | float) else ""

    def split(self, rendered: str) -> Iterator[Source]:
        """Tell apart the template's own text and what the marks stand for.

        Raises:
            TokenError: the template took a mark apart.
        """
        position = 0
        for match in _MARK.finditer(rendered):
            secret, number, in_json = match.groups()
            if secret != _SECRET or int(number) >= len(self._marks):
                continue
            yield from self._own(rendered, position, match.start())
            mark = self._marks[int(number)]
            segments = mark.segments if not in_json else tuple(map(_in_json, mark.segments))
            yield Source(*match.span(), segments, mark.message_index, mark.image_index)
            position = match.end()
        yield from self._own(rendered, position, len(rendered))

    def _new(self, mark: _Mark) -> str:
        self._marks.append(mark)
        return f"{_OPEN}{_SECRET}:{len(self._marks) - 1}{_CLOSE}"

    def _key(self, key: object, message_index: int) -> str:
        return str(key) if _is_name(key) else self.text(str(key), message_index)

    def _own(self, rendered: str, start: int, stop: int) -> Iterator[Source]:
        text = rendered[start:stop]
        if _OPEN in text or _CLOSE in text or _SECRET in text:
            raise TokenError(
                "the chat template takes the texts of messages apart, so what people wrote cannot "
                "be told from what the template wrote; simplify the template"
            )
        if text:
            yield Source(start, stop, (Segment(text, True),))


def to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's `tojson` as chat templates expect it; marked texts will be escaped as JSON."""
    plain = json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
    return re.sub(f"({_OPEN}\\d+:\\d+){_CLOSE}", rf"\g<1>{_IN_JSON}{_CLOSE}", plain)


def _in_json(segment: Segment) -> Segment:
    return Segment(json.dumps(segment.text, ensure_ascii=False)[1:-1], segment.is_control)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w+", value) is not None
