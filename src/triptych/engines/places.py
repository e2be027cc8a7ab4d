"""How models write boxes and points in plain words, and how what they wrote is read.

    {"bbox_2d": [64, 48, 320, 240], "label": "cat"}    <ref>cat</ref><box>[[100,100,500,500]]</box>
    (100,100),(500,500)    [0.1, 0.1, 0.5, 0.5]        <loc0102><loc0102><loc0512><loc0512> cat

What the numbers count (thousandths of a side, pixels of the picture as the model saw it, fractions)
cannot be told from them, so it is known by the model's name, or named. Places come back in pixels
of the original picture, whatever was done to it on the way to the model.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from triptych.errors import UnknownNameError
from triptych.geometry import Box, Point
from triptych.media import NativeResizeConfig, PadToSquareConfig, Picture, ResizeConfig, Transform
from triptych.text import Located

_NUMBER = r"[+-]?\d{1,9}(?:\.\d{1,9})?"
_RUN = re.compile(rf"(?<![\w.]){_NUMBER}(?:[ \t,()\[\]]{{1,8}}{_NUMBER})+(?![\w.])")
_OPENED = re.compile(r"(?:[\[(]|<box>|<point>|<\|box_start\|>)\s*$")
_LETTER = re.compile(r"[^\W\d_]")
_TAG = re.compile(r"<[^<>]*>")
_LABEL = re.compile(r"<(?:ref|\|object_ref_start\|)>([^<>]*)<(?:/ref|\|object_ref_end\|)>")
_OBJECT = re.compile(r"\{[^{}]*\}")
_LOCATION = re.compile(r"((?:<loc\d{4}>){2,4})\s*([^<;\n]*)")
_PLACE_KEYS = ("bbox_2d", "box_2d", "bbox", "box", "point_2d", "point", "coordinates")
_LABEL_KEYS = ("label", "name", "text", "description")

USUAL_PIXELS = 1280 * 28 * 28
"""Area up to which models of the Qwen-VL family leave pictures as they are, wherever they run."""

Found = tuple[str, tuple[float, ...]]
"""A label, empty where there is none, and two or four numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenPlaces:
    """One way of writing places in words."""

    name: str
    """What `--coordinates` calls it."""

    side: int | None
    """What stands for a whole side of the picture; None where pixels are counted."""

    words: str
    """What the numbers are, for the question."""

    is_y_first: bool = False
    """Whether the vertical comes before the horizontal."""

    is_square: bool = False
    """Whether the model sees the picture padded to a square, and counts in that."""

    factor: int = 0
    """Pictures whose sides are multiples of this many pixels are not resized on their way into the
    model; 0 where that does not matter."""

    box_question: str = "Locate the {phrase}. Answer with {form}."
    point_question: str = "Point at the {phrase}. Answer with {form}."

    def question(self, kind: str) -> str:
        """What to ask for boxes or for points; `{phrase}` is what is looked for."""
        corners = (
            ["top", "left", "bottom", "right"]
            if self.is_y_first
            else (["left", "top", "right", "bottom"])
        )
        middle = ["y", "x"] if self.is_y_first else ["x", "y"]
        numbers, key = (corners, "bbox_2d") if kind == "box" else (middle, "point_2d")
        asked = self.box_question if kind == "box" else self.point_question
        form = f'JSON: [{{"{key}": [{", ".join(numbers)}], "label": "{{phrase}}"}}], {self.words}'
        return asked.replace("{form}", form)

    def show(self, picture: Picture, max_pixels: int | None) -> tuple[Picture, Transform]:
        """The picture as the model's numbers count it, and how it was made."""
        area = picture.width * picture.height
        resize: ResizeConfig = NativeResizeConfig(
            factor=1, min_pixels=1, max_pixels=max_pixels or area
        )
        if self.is_square:
            resize = PadToSquareConfig(size=max(picture.width, picture.height))
        elif self.factor:
            most = max_pixels or USUAL_PIXELS
            resize = NativeResizeConfig(factor=self.factor, max_pixels=max(most, 56 * 56))
        image, transform = resize.apply(picture)
        return Picture(image, image.width, image.height, picture.source), transform

    def read(self, text: str, transform: Transform) -> list[Located]:
        """The places in a text, in its order; whatever is no place is skipped."""
        found = (
            Located(place, label)
            for label, numbers in _found(text)
            if (place := self._place(numbers, transform)) is not None
        )
        return list(found)

    def _place(self, numbers: Sequence[float], transform: Transform) -> Box | Point | None:
        pairs = [(numbers[i], numbers[i + 1]) for i in range(0, len(numbers), 2)]
        if self.is_y_first:
            pairs = [(x, y) for y, x in pairs]
        corners = [self._original(x, y, transform) for x, y in pairs]
        if len(corners) == 1:
            return Point(*corners[0])
        xs, ys = zip(*corners, strict=True)
        return Box(min(xs), min(ys), max(xs), max(ys))

    def _original(self, x: float, y: float, transform: Transform) -> tuple[float, float]:
        """In pixels of the original; what lies outside becomes its edge."""
        if self.side is not None:
            x, y = x / self.side * transform.model_width, y / self.side * transform.model_height
        x, y = transform.to_original(x, y)
        return (
            min(max(x, 0.0), float(transform.original_width)),
            min(max(y, 0.0), float(transform.original_height)),
        )


THOUSANDTHS = SpokenPlaces(
    name="thousandths",
    side=1000,
    words="in thousandths of the picture's width and height",
)
"""Qwen2-VL, Qwen3-VL, InternVL, MiniCPM-V, CogVLM, GLM-4V."""

PIXELS = SpokenPlaces(name="pixels", side=None, words="in pixels of the picture", factor=28)
"""Qwen2.5-VL, which counts in the picture as resized: it gets one that it does not resize."""

FRACTIONS = SpokenPlaces(
    name="fractions", side=1, words="in fractions of the picture's width and height"
)

SQUARE_FRACTIONS = SpokenPlaces(
    name="square-fractions",
    side=1,
    words="in fractions of the picture's width and height",
    is_square=True,
    box_question="Please provide the bounding box coordinate of the region this sentence "
    "describes: {phrase}.",
)
"""LLaVA-1.5, which sees the picture padded to a square."""

VERTICAL_FIRST = SpokenPlaces(
    name="vertical-first",
    side=1000,
    words="in thousandths of the picture's height and width",
    is_y_first=True,
)
"""Gemini and Gemma 3."""

LOCATIONS = SpokenPlaces(
    name="locations",
    side=1024,
    words="",
    is_y_first=True,
    box_question="detect {phrase}",
    point_question="point to {phrase}",
)
"""PaliGemma: `<loc0000>` to `<loc1023>`, vertical first."""

FORMATS = (THOUSANDTHS, PIXELS, FRACTIONS, SQUARE_FRACTIONS, VERTICAL_FIRST, LOCATIONS)
"""Every way of writing places in words that is read."""

_KNOWN = {
    "qwen25vl": PIXELS,
    "qwen2vl": THOUSANDTHS,
    "qwen3vl": THOUSANDTHS,
    "internvl": THOUSANDTHS,
    "minicpmv": THOUSANDTHS,
    "cogvlm": THOUSANDTHS,
    "glm4v": THOUSANDTHS,
    "llava15": SQUARE_FRACTIONS,
    "llavav15": SQUARE_FRACTIONS,
    "gemini": VERTICAL_FIRST,
    "gemma3": VERTICAL_FIRST,
    "paligemma": LOCATIONS,
}
"""What names of published models contain, without punctuation."""


def find_format(name: str) -> SpokenPlaces:
    """The way of writing places that is called so.

    Raises:
        UnknownNameError: there is none; lists those there are.
    """
    for each in FORMATS:
        if each.name == name:
            return each
    raise UnknownNameError("form of coordinates", name, [each.name for each in FORMATS])


def known_format(names: Sequence[str]) -> SpokenPlaces | None:
    """The way in which a model of one of these names writes places; None where nobody knows."""
    for name in names:
        plain = re.sub(r"[^a-z0-9]", "", name.lower())
        for part, each in _KNOWN.items():
            if part in plain:
                return each
    return None


def _found(text: str) -> Iterator[Found]:
    """Labels and numbers, from JSON where there is any, else from how models write without."""
    objects = [each for each in map(_from_object, _OBJECT.findall(text)) if each is not None]
    if objects:
        yield from objects
    elif "<loc" in text:
        for match in _LOCATION.finditer(text):
            numbers = tuple(float(each) for each in re.findall(r"\d{4}", match[1]))
            if len(numbers) in (2, 4):
                yield match[2].strip(), numbers
    else:
        yield from _from_words(text)


def _from_object(text: str) -> Found | None:
    try:
        plain: Any = json.loads(text, parse_int=float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    fields = cast(dict[str, Any], plain)
    for key in _PLACE_KEYS:
        numbers = _flat(fields.get(key))
        if len(numbers) in (2, 4):
            labels = (fields[key] for key in _LABEL_KEYS if isinstance(fields.get(key), str))
            return next(labels, "").strip(), numbers
    return None


def _flat(value: object) -> tuple[float, ...]:
    """The numbers of a list, or of a list of such; nothing where anything else is in it."""
    if not isinstance(value, list):
        return ()
    items = cast(list[object], value)
    if items and all(isinstance(item, list) for item in items):
        return tuple(number for item in items for number in _flat(item))
    numbers = [item for item in items if isinstance(item, float) and math.isfinite(item)]
    return tuple(numbers) if len(numbers) == len(items) else ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _from_words(text: str) -> Iterator[Found]:
    """Runs of numbers behind a bracket or a mark; a label stands right in front of them.

    Two numbers are a point, four a box, eight two boxes; any other count is garbled.
    """
    label, end = "", 0
    for match in _RUN.finditer(text):
        between = text[end : match.start()]
        if not _OPENED.search(between[-40:]):
            continue
        if named := _LABEL.findall(between):
            label = named[-1].strip()
        elif _LETTER.search(_TAG.sub("", between)):
            label = ""
        end = match.end()
        numbers = tuple(float(each) for each in re.findall(_NUMBER, match[0]))
        size = 2 if len(numbers) == 2 else 4
        if len(numbers) % size == 0:
            for start in range(0, len(numbers), size):
                yield label, numbers[start : start + size]
