"""Boxes and points as text: how models write places down, and how what they wrote is read.

    Box(64, 48, 320, 240) in 640 x 480   <->   <|box_start|>(100,100),(500,500)<|box_end|>
                                         <->   {"bbox_2d": [64, 48, 320, 240]}
                                         <->   <object><patch_index_0099><patch_index_0495></object>

People and programs hold places in pixels of the original picture; only here do they become a
model's own numbers. What a format writes is control but for the label, which is anybody's text.

Qwen-VL, section 2.2: https://arxiv.org/abs/2308.12966
Qwen2-VL, section 2.2: https://arxiv.org/abs/2409.12191
Qwen2.5-VL, section 2.2: https://arxiv.org/abs/2502.13923
Kosmos-2, section 2.1: https://arxiv.org/abs/2306.14824
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from triptych.errors import ConfigError, TokenError
from triptych.geometry import Box, Point
from triptych.text.marks import Segment

_POINT = re.compile(r"\(\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*,\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*\)")

_OBJECT = re.compile(r'\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}')
"""A flat object of JSON; braces within its texts do not end it."""

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Located:
    """A thing with its place in a picture."""

    place: Box | Point
    """In pixels of the original picture."""
    label: str = ""
    """What it is; empty when only the place is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ThousandthsConfig:
    """Whole thousandths of the picture's width and height, 0 to 999, between special tokens."""

    label_start: str = "<|object_ref_start|>"
    """In front of a label."""
    label_end: str = "<|object_ref_end|>"
    """Behind it."""
    box_start: str = "<|box_start|>"
    """In front of the corners of a box, or a point."""
    box_end: str = "<|box_end|>"
    """Behind them."""

    def __post_init__(self) -> None:
        if not all(self.special_tokens) or len(set(self.special_tokens)) < 4:
            raise ConfigError(
                f"coordinates need four different special tokens, got {self.special_tokens}"
            )

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """What the tokenizer must know."""
        return self.label_start, self.label_end, self.box_start, self.box_end

    def write(
        self, located: Located, width: int, height: int, seen: Size | None = None
    ) -> tuple[Segment, ...]:
        """The thing as the model writes it, for a picture of `width` x `height` pixels.

        Rounded to the nearest thousandth, so that reading it again is off by half a thousandth of
        a side, and at the far edges by a whole one. Outside of the picture becomes its edge. In
        which size the model sees it does not matter.
        """
        place, label = located.place, located.label
        points = [(place.x, place.y)] if isinstance(place, Point) else _corners(place)
        numbers = ",".join(
            f"({_thousandths(x, width)},{_thousandths(y, height)})" for x, y in points
        )
        written = Segment(f"{self.box_start}{numbers}{self.box_end}", is_control=True)
        if not label:
            return (written,)
        return (
            Segment(self.label_start, is_control=True),
            Segment(label, is_control=False),
            Segment(self.label_end, is_control=True),
            written,
        )

    def read(self, text: str, width: int, height: int, seen: Size | None = None) -> list[Located]:
        """The places in a text, special tokens included, in order; in pixels of the original.

        Reads what models write: several boxes may follow one label, swapped corners are sorted,
        numbers beyond the picture become its edge, and whatever is malformed is skipped.
        """
        return list(self._read(self._split(text), width, height))

    def _split(self, text: str) -> list[str]:
        return re.split(f"({'|'.join(map(re.escape, self.special_tokens))})", text)

    def _read(self, pieces: Sequence[str], width: int, height: int) -> Iterator[Located]:
        """Texts stand at even indexes, special tokens at odd ones."""
        label = ""
        for index in range(1, len(pieces), 2):
            token, inner = pieces[index], pieces[index + 1]
            following = pieces[index + 2] if index + 2 < len(pieces) else ""
            if token == self.label_start:
                label = inner.strip() if following == self.label_end else ""
            elif token == self.box_start and following == self.box_end:
                place = _place(inner, width, height)
                if place is not None:
                    yield Located(place, label)
            elif inner.strip():  # other words in between: what follows has no label
                label = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelsConfig:
    """Whole pixels of the picture as the model sees it, in JSON: Qwen2.5-VL.

    {"bbox_2d": [64, 48, 320, 240], "label": "cat"}     {"point_2d": [64, 48], "label": "cat"}
    """

    box_key: str = "bbox_2d"
    """Of left, top, right and bottom."""
    point_key: str = "point_2d"
    """Of x and y."""
    label_key: str = "label"
    """Of what it is."""

    def __post_init__(self) -> None:
        if not (self.box_key and self.point_key and self.label_key):
            raise ConfigError("coordinates in JSON need a key for boxes, points and labels")

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """None: it is text throughout."""
        return ()

    def write(
        self, located: Located, width: int, height: int, seen: Size | None = None
    ) -> tuple[Segment, ...]:
        """The thing as the model writes it, for a picture of `width` x `height` pixels.

        `seen` is the size in which the model sees it, where that is another. Rounded to whole
        pixels of that size; outside of the picture becomes its edge.
        """
        place, key = located.place, self.box_key
        if isinstance(place, Point):
            points, key = [(place.x, place.y)], self.point_key
        else:
            points = _corners(place)
        sides, seen = (width, height), seen or (width, height)
        numbers = [
            min(new, max(0, round(value * new / old)))
            for point in points
            for value, new, old in zip(point, seen, sides, strict=True)
        ]
        written = f"{{{json.dumps(key)}: {numbers}"
        if not located.label:
            return (Segment(f"{written}}}", is_control=True),)
        return (
            Segment(f'{written}, {json.dumps(self.label_key)}: "', is_control=True),
            Segment(json.dumps(located.label, ensure_ascii=False)[1:-1], is_control=False),
            Segment('"}', is_control=True),
        )

    def read(self, text: str, width: int, height: int, seen: Size | None = None) -> list[Located]:
        """The places in a text, in order; in pixels of the original.

        Reads what models write: objects alone or in a list, among other words. Swapped corners are
        sorted, numbers beyond the picture become its edge, and whatever is malformed is skipped.
        """
        scales = [
            old / new for old, new in zip((width, height), seen or (width, height), strict=True)
        ]
        places: list[Located] = []
        for match in _OBJECT.finditer(text):
            try:
                found: object = json.loads(match[0])
            except ValueError:
                continue
            place = self._place(cast(dict[str, object], found), scales, (width, height))
            if place is not None:
                places.append(place)
        return places

    def _place(
        self, found: Mapping[str, object], scales: Sequence[float], sides: Size
    ) -> Located | None:
        box, point = (_numbers(found.get(key)) for key in (self.box_key, self.point_key))
        label = found.get(self.label_key, "")
        text = label.strip() if isinstance(label, str) else ""
        numbers = [
            min(float(sides[index % 2]), max(0.0, number * scales[index % 2]))
            for index, number in enumerate(box or point or [])
        ]
        if box and len(box) == 4:
            (left, right), (top, bottom) = sorted(numbers[::2]), sorted(numbers[1::2])
            return Located(Box(left, top, right, bottom), text)
        return Located(Point(*numbers), text) if point and len(numbers) == 2 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class CellsConfig:
    """The cells of two corners on a grid laid over the picture, a special token each: Kosmos-2.

    <phrase> a cat</phrase><object><patch_index_0195><patch_index_0911></object>

    A cell is counted row by row. Reading takes the middle of each cell, but where both lie in one
    row or one column the outer edges, so that no box is without area.
    """

    side: int = 32
    """Cells in a row, and in a column."""
    cell: str = "<patch_index_{:04d}>"
    """The token of a cell, of whose number this is a format."""
    label_start: str = "<phrase>"
    """In front of a label."""
    label_end: str = "</phrase>"
    """Behind it."""
    box_start: str = "<object>"
    """In front of the two corners."""
    box_end: str = "</object>"
    """Behind them."""
    divider: str = "</delimiter_of_multi_objects/>"
    """Between two boxes of one label."""

    def __post_init__(self) -> None:
        marks = (self.label_start, self.label_end, self.box_start, self.box_end, self.divider)
        if self.side < 1 or not all(marks) or len(set(marks)) < 5 or "{" not in self.cell:
            raise ConfigError(
                f"cells need a side of at least 1, five different tokens and a format with a "
                f"number, got {self}"
            )

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """What the tokenizer must know."""
        marks = (self.label_start, self.label_end, self.box_start, self.box_end, self.divider)
        return (*marks, *(self.cell.format(index) for index in range(self.side**2)))

    def write(
        self, located: Located, width: int, height: int, seen: Size | None = None
    ) -> tuple[Segment, ...]:
        """The thing as the model writes it, for a picture of `width` x `height` pixels.

        In which size the model sees it does not matter. A point is written as the box of its cell;
        outside of the picture becomes its edge.
        """
        place, label = located.place, located.label
        if isinstance(place, Point):
            place = Box(place.x, place.y, place.x, place.y)
        col, row = self._first(place.left, width), self._first(place.top, height)
        last_col = max(col, self._last(place.right, width))
        last_row = max(row, self._last(place.bottom, height))
        corners = (row * self.side + col, last_row * self.side + last_col)
        cells = "".join(self.cell.format(index) for index in corners)
        written = Segment(f"{self.box_start}{cells}{self.box_end}", is_control=True)
        if not label:
            return (written,)
        return (
            Segment(f"{self.label_start} ", is_control=True),
            Segment(label, is_control=False),
            Segment(self.label_end, is_control=True),
            written,
        )

    def read(self, text: str, width: int, height: int, seen: Size | None = None) -> list[Located]:
        """The places in a text, special tokens included, in order; in pixels of the original.

        Several boxes may follow one label; whatever is malformed is skipped.
        """
        places: list[Located] = []
        for match in self._pattern().finditer(text):
            label = (match["label"] or "").strip()
            for pair in match["boxes"].split(self.divider):
                first, last = (int(number) for number in re.findall(r"\d+", pair))
                if max(first, last) < self.side**2:
                    places.append(Located(self._box(first, last, width, height), label))
        return places

    def _first(self, pixels: float, length: int) -> int:
        return min(self.side - 1, max(0, math.floor(pixels / length * self.side)))

    def _last(self, pixels: float, length: int) -> int:
        return min(self.side - 1, max(0, math.ceil(pixels / length * self.side - 1)))

    def _box(self, first: int, last: int, width: int, height: int) -> Box:
        rows, cols = (sorted(each) for each in zip(*map(self._cell, (first, last)), strict=True))
        is_thin = rows[0] == rows[1] or cols[0] == cols[1]
        inset, outset = (0.0, 1.0) if is_thin else (0.5, 0.5)
        return Box(
            (cols[0] + inset) / self.side * width,
            (rows[0] + inset) / self.side * height,
            (cols[1] + outset) / self.side * width,
            (rows[1] + outset) / self.side * height,
        )

    def _cell(self, index: int) -> tuple[int, int]:
        return divmod(index, self.side)

    def _pattern(self) -> re.Pattern[str]:
        start, end, opened, closed, divider = map(re.escape, self.special_tokens[:5])
        before, _, after = self.cell.partition("{")
        cell = f"{re.escape(before)}\\d{{1,9}}{re.escape(after.partition('}')[2])}"
        boxes = f"{cell}{cell}(?:{divider}{cell}{cell})*"
        label = f"(?:{start}(?P<label>[^<]*){end})?"
        return re.compile(f"{label}{opened}(?P<boxes>{boxes}){closed}")


CoordinateFormat: TypeAlias = ThousandthsConfig | PixelsConfig | CellsConfig
"""Every way of writing places there is. Each has `write`, `read` and `special_tokens`."""


def located(part: Mapping[str, Any]) -> Located:
    """The thing that a box part or a point part of a message is about.

    Raises:
        TokenError: its numbers are not four, or two, finite pixels, or its label is no text.
        ShapeError: a box's right is left of its left, or its bottom above its top.
    """
    kind, label = part["type"], part.get("label", "")
    if not isinstance(label, str):
        raise TokenError(f"the label of a {kind} is {type(label).__name__}; give a text")
    place = part[kind]
    if isinstance(place, Box if kind == "box" else Point):
        return Located(place, label)
    names = ("left", "top", "right", "bottom") if kind == "box" else ("x", "y")
    numbers = _numbers(place)
    if numbers is None or len(numbers) != len(names):
        raise TokenError(
            f"a {kind} is [{', '.join(names)}] in pixels of the original picture, got {place!r:.60}"
        )
    return Located(Box(*numbers) if kind == "box" else Point(*numbers), label)


def _numbers(place: object) -> list[float] | None:
    if not isinstance(place, list | tuple):
        return None
    values = cast(Sequence[object], place)
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    is_finite = len(numbers) == len(values) and all(map(math.isfinite, numbers))
    return numbers if is_finite else None


def _corners(box: Box) -> list[tuple[float, float]]:
    return [(box.left, box.top), (box.right, box.bottom)]


def _thousandths(pixels: float, side: int) -> int:
    return min(999, max(0, round(1000 * pixels / side)))


def _place(inner: str, width: int, height: int) -> Box | Point | None:
    """The box or point of `(x,y)` once or twice; None for anything else."""
    pairs = _POINT.findall(inner)
    if _POINT.sub("", inner).strip(" ,\n"):
        return None
    xs = [min(1.0, max(0.0, float(x) / 1000)) * width for x, _ in pairs]
    ys = [min(1.0, max(0.0, float(y) / 1000)) * height for _, y in pairs]
    if len(pairs) == 1:
        return Point(xs[0], ys[0])
    return Box(min(xs), min(ys), max(xs), max(ys)) if len(pairs) == 2 else None
