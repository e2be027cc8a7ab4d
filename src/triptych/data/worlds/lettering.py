"""Lines of text with a place, and the grain of a picture; charts and documents are set in these."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import TypeAlias

from PIL import Image, ImageChops, ImageDraw

from triptych.data.worlds.fonts import font
from triptych.geometry import Box

Ink: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0..255."""

_ENLARGED = {"times": 2, "times-bold": 2, "roman": 2, "grotesque": 2}
# These draw small for their size; enlarged by so many pixels they read like the others.


@dataclass(frozen=True, slots=True, kw_only=True)
class Lettering:
    """One line of text in its place, in pixels of the picture."""

    text: str
    x: float
    y: float
    anchor: str = "lm"
    """Which point of the text stands at x, y; Pillow's letters: l, m, r across; a, m, s down."""
    font: str = "sans"
    size: int = 12
    ink: Ink = (0, 0, 0)

    @property
    def box(self) -> Box:
        """What the drawn letters cover."""
        left, top, right, bottom = _extent(self.font, self.size, self.text, self.anchor)
        return Box(self.x + left, self.y + top, self.x + right, self.y + bottom)

    def draw(self, pen: ImageDraw.ImageDraw, fill: Ink | int | None = None) -> None:
        """Write it down, in another colour than its own if one is given."""
        pen.text(
            (self.x, self.y),
            self.text,
            fill=self.ink if fill is None else fill,
            font=font(self.font, font_size(self.font, self.size)),
            anchor=self.anchor,
        )


def font_size(name: str, size: int) -> int:
    """What to ask of a font for letters as tall as those of the others at this size."""
    return size + _ENLARGED.get(name, 0)


@lru_cache(maxsize=8192)
def text_width(text: str, name: str, size: int) -> float:
    """Pixels from the start of a text to where the next letter would go."""
    return font(name, font_size(name, size)).getlength(text)


def largest_fitting(text: str, name: str, width: float, sizes: Sequence[int]) -> int:
    """The first of the sizes at which a text is no wider than `width`, or the last of them."""
    return next((size for size in sizes if text_width(text, name, size) <= width), sizes[-1])


def overlapping(letterings: Iterable[Lettering]) -> list[tuple[str, str]]:
    """Texts that cover each other, in pairs; empty when a layout is sound."""
    placed = [(line.text, line.box) for line in letterings]
    return [
        (text, other)
        for index, (text, box) in enumerate(placed)
        for other, other_box in placed[index + 1 :]
        if box.intersection(other_box) > 0
    ]


def add_grain(image: Image.Image, seed: int, strength: int) -> Image.Image:
    """The picture with every pixel lighter or darker by up to `strength` of 255, in grey."""
    if strength == 0:
        return image
    noise = Image.frombytes("L", image.size, Random(seed).randbytes(image.width * image.height))
    noise = noise.point(
        [128 - strength + (2 * strength + 1) * value // 256 for value in range(256)]
    )
    same = Image.merge(image.mode, (noise,) * len(image.getbands()))
    return ImageChops.add(image, same, 1.0, -128)


@lru_cache(maxsize=8192)
def _extent(name: str, size: int, text: str, anchor: str) -> tuple[int, int, int, int]:
    left, top, right, bottom = font(name, font_size(name, size)).getbbox(text, anchor=anchor)
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
