"""Grounds that objects lie on: plain, shaded, grainy, cloudy or checked, never hiding them.

Every ground is a field of weights between two colours, so that drawing one is one composition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

RGB: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

GroundKind: TypeAlias = Literal["plain", "gradient", "noise", "blobs", "checks"]
GROUND_KINDS: tuple[GroundKind, ...] = ("plain", "gradient", "noise", "blobs", "checks")

MIN_CONTRAST = 95.0
"""Distance in RGB that a ground keeps from every colour on it, where it can."""


@dataclass(frozen=True, slots=True)
class Background:
    """What lies behind the objects."""

    kind: GroundKind
    first: RGB
    second: RGB
    """The colour that the first is mixed with; without use when plain."""
    seed: int
    """Of the field that mixes them."""

    @property
    def mean(self) -> RGB:
        """Colour halfway between both."""
        if self.kind == "plain":
            return self.first
        red, green, blue = (
            (one + two) // 2 for one, two in zip(self.first, self.second, strict=True)
        )
        return red, green, blue

    def draw(self, size: tuple[int, int]) -> Image.Image:
        """A picture of this width and height with nothing on it."""
        first = Image.new("RGB", size, self.first)
        if self.kind == "plain":
            return first
        return Image.composite(Image.new("RGB", size, self.second), first, self._field(size))

    def _field(self, size: tuple[int, int]) -> Image.Image:
        chance = np.random.Generator(np.random.PCG64(self.seed))
        if self.kind == "noise":
            return Image.fromarray(chance.integers(0, 256, size[::-1], np.uint8))
        if self.kind == "gradient":
            corners = chance.permutation(np.array([[0, 90, 165, 255]], np.uint8).T).reshape(2, 2)
            return Image.fromarray(corners).resize(size, Image.Resampling.BILINEAR)
        rows, cols = chance.integers(4, 8, 2).tolist()
        if self.kind == "blobs":
            clouds = Image.fromarray(chance.integers(0, 256, (rows, cols), np.uint8))
            return clouds.resize(size, Image.Resampling.BICUBIC)
        checks = Image.new("L", (cols, rows))
        checks.putdata([255 * ((row + col) % 2) for row in range(rows) for col in range(cols)])
        return checks.resize(size, Image.Resampling.NEAREST)


def choose_background(rng: Random, colours: Sequence[RGB]) -> Background:
    """A ground on which things of these colours stand out."""
    kind = rng.choice(GROUND_KINDS)
    first = _far_from(rng, colours)
    red, green, blue = (min(255, max(0, value + rng.randint(-22, 22))) for value in first)
    return Background(kind, first, (red, green, blue), rng.getrandbits(32))


def _far_from(rng: Random, colours: Sequence[RGB]) -> RGB:
    """The first of some muted colours that is far enough from all others, or the farthest."""
    best, best_distance = (128, 128, 128), -1.0
    for _ in range(24):
        colour = _muted(rng)
        distance = min((_distance(colour, other) for other in colours), default=MIN_CONTRAST)
        if distance >= MIN_CONTRAST:
            return colour
        if distance > best_distance:
            best, best_distance = colour, distance
    return best


def _muted(rng: Random) -> RGB:
    light, tint = rng.randint(20, 235), rng.choice((8, 25, 45))
    red, green, blue = (min(255, max(0, light + rng.randint(-tint, tint))) for _ in range(3))
    return red, green, blue


def _distance(one: RGB, other: RGB) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5
