"""Coloured objects that worlds draw: what there is, its outline and box, its pixels and names.

Objects are drawn at twice the size and reduced, so that edges are smooth. Each has a thin edge
in a darker shade of its own colour, or a lighter one on dark grounds, so that it stands out from
the ground and from its neighbours.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from triptych.data.worlds.backgrounds import RGB, Background
from triptych.geometry import Box, Point, Polygon

SHAPES: tuple[str, ...] = (
    "circle",
    "square",
    "triangle",
    "star",
    "cross",
    "diamond",
    "hexagon",
    "heart",
    "ring",
    "crescent",
)

COLOURS: Mapping[str, RGB] = {
    "red": (214, 38, 40),
    "green": (40, 158, 70),
    "blue": (42, 88, 216),
    "yellow": (246, 214, 52),
    "orange": (244, 130, 28),
    "purple": (130, 58, 180),
    "pink": (246, 140, 190),
    "brown": (118, 70, 38),
    "grey": (132, 132, 132),
    "black": (24, 24, 27),
    "white": (246, 246, 246),
    "cyan": (48, 202, 216),
}

SIZES: Mapping[str, float] = {"small": 0.075, "medium": 0.118, "large": 0.182}
"""Radii as shares of the shorter side of the picture; each a good half larger than the last."""

TEXTURES: tuple[str, ...] = ("solid", "striped", "dotted")

SLANTS: tuple[float, ...] = (0.0, 45.0, 90.0, 135.0)
"""Directions of stripes and rows of dots, in degrees."""

HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    (colour, SHAPES[(3 * index + 1) % len(SHAPES)]) for index, colour in enumerate(COLOURS)
)
"""Colours and shapes that only the split `combinations` pairs: one shape of each colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object of a picture."""

    shape: str
    """One of `SHAPES`."""
    colour: str
    """One of `COLOURS`."""
    rgb: RGB
    """Its own shade of that colour."""
    size: str
    """One of `SIZES`."""
    texture: str
    """One of `TEXTURES`."""
    x: float
    """Centre, in pixels from the left."""
    y: float
    """Centre, in pixels from the top."""
    radius: float
    """Half its longer side when it is upright, in pixels."""
    angle: float = 0.0
    """How far it is turned clockwise, in degrees."""
    slant: float = 45.0
    """Direction of its stripes or rows of dots, in degrees."""


# -- making one -----------------------------------------------------------------------------------

_TILT = {"square": 10, "triangle": 14, "cross": 12, "diamond": 5, "crescent": 180}
"""Largest angle at which a shape is still called by its name; 16 degrees for all others."""


def shade(rng: Random, colour: str) -> RGB:
    """A shade of a colour that nobody would call by another name."""
    red, green, blue = (min(255, max(0, c + rng.randint(-7, 7))) for c in COLOURS[colour])
    return red, green, blue


def radius(rng: Random, size: str, image_size: tuple[int, int]) -> float:
    """A radius in pixels that this size has in a picture of this width and height."""
    return SIZES[size] * min(image_size) * rng.uniform(0.95, 1.06)


def tilt(rng: Random, shape: str) -> float:
    """An angle in degrees at which the shape still looks like one."""
    if shape in ("circle", "ring"):
        return 0.0
    most = _TILT.get(shape, 16)
    return rng.uniform(-most, most)


# -- where it is ----------------------------------------------------------------------------------


def outline(thing: Thing) -> Polygon:
    """Its corners; those of a ring go around outside, then around the hole."""
    return tuple(corner for loop in loops_of(thing) for corner in loop)


def loops_of(thing: Thing) -> list[Polygon]:
    """Its outer corners, then those of its hole if it has one."""
    return [tuple(Point(x, y) for x, y in loop.tolist()) for loop in _loops(thing)]


def box_of(thing: Thing) -> Box:
    """The smallest box around what is drawn, its edge included."""
    outer = _loops(thing)[0]
    (left, top), (right, bottom) = outer.min(0).tolist(), outer.max(0).tolist()
    edge = _EDGE / SCALE / 2
    return Box(left - edge, top - edge, right + edge, bottom + edge)


def middle_of(thing: Thing) -> Point:
    """The place to point at: its centre, or one on its body where the centre is not filled."""
    place = _placed(thing, np.array([_ANCHORS.get(thing.shape, (0.0, 0.0))]))
    x, y = place[0].tolist()
    return Point(x, y)


def _loops(thing: Thing) -> list[Any]:
    return [_placed(thing, loop) for loop in _unit(thing.shape)]


def _placed(thing: Thing, unit: Any) -> Any:
    turn = math.radians(thing.angle)
    cos, sin = math.cos(turn) * thing.radius, math.sin(turn) * thing.radius
    return unit @ np.array([[cos, sin], [-sin, cos]]) + (thing.x, thing.y)


# -- shapes of radius one around the origin, y pointing down --------------------------------------

_ANCHORS = {"ring": (0.0, -0.77), "crescent": (-0.49, 0.0)}


@lru_cache(maxsize=32)
def _unit(shape: str) -> tuple[Any, ...]:
    """Closed loops, the hole last; the first and last corner of each are the same."""
    if shape == "ring":
        outer = _arc(0.0, 0.0, 1.0, 0.0, 360.0, 40)
        return outer, outer[::-1] * 0.54
    corners = np.array(_CORNERS[shape]) if shape in _CORNERS else _curve(shape)
    low, high = corners.min(0), corners.max(0)
    centred = (corners - (low + high) / 2) / (float((high - low).max()) / 2)
    return (np.concatenate([centred, centred[:1]]),)


def _curve(shape: str) -> Any:
    if shape == "circle":
        return _arc(0.0, 0.0, 1.0, 0.0, 360.0, 40)
    if shape == "crescent":
        # A disc without a smaller one to its right; their circles meet at 51.3 degrees.
        meet = math.degrees(math.atan2(0.7806, 0.625 - 0.45))
        bite = _arc(0.45, 0.0, 0.8, 360.0 - meet, meet, 24)
        return np.concatenate([_arc(0.0, 0.0, 1.0, 51.3, 308.7, 30), bite])
    assert shape == "heart", shape
    t = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    fall = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([16 * np.sin(t) ** 3, -fall], axis=1)


def _arc(x: float, y: float, size: float, start: float, stop: float, corners: int) -> Any:
    t = np.radians(np.linspace(start, stop, corners))
    return np.stack([x + size * np.cos(t), y + size * np.sin(t)], axis=1)


def _spokes(lengths: Sequence[float]) -> list[tuple[float, float]]:
    """Corners at these distances from the centre, clockwise from the top."""
    turns = [2 * math.pi * index / len(lengths) for index in range(len(lengths))]
    return [(r * math.sin(t), -r * math.cos(t)) for r, t in zip(lengths, turns, strict=True)]


_CORNERS: dict[str, list[tuple[float, float]]] = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, -1), (1.08, 0.9), (-1.08, 0.9)],
    "diamond": [(0, -1), (0.68, 0), (0, 1), (-0.68, 0)],
    "star": _spokes([1.0, 0.42] * 5),
    "hexagon": _spokes([1.0] * 6),
    "cross": [
        *[(-0.34, -1), (0.34, -1), (0.34, -0.34), (1, -0.34), (1, 0.34), (0.34, 0.34)],
        *[(0.34, 1), (-0.34, 1), (-0.34, 0.34), (-1, 0.34), (-1, -0.34), (-0.34, -0.34)],
    ],
}

# -- pixels ---------------------------------------------------------------------------------------

SCALE = 2
"""How much larger than the picture objects are drawn, each on a tile of its own."""

_EDGE = 3
"""Width of the edge on the tile; odd, or Pillow draws it to the left of where it should be."""


def draw_things(
    image_size: tuple[int, int], background: Background, things: Iterable[Thing]
) -> Image.Image:
    """A picture of this width and height; later things lie on top of earlier ones."""
    canvas = background.draw(image_size)
    is_dark = sum(background.mean) < 3 * 85
    for thing in things:
        _draw(canvas, thing, is_dark)
    return canvas


def _draw(canvas: Image.Image, thing: Thing, is_dark: bool) -> None:
    loops, box = _loops(thing), box_of(thing)
    left, top = math.floor(box.left) - 1, math.floor(box.top) - 1
    size = (math.ceil(box.right) + 1 - left) * SCALE, (math.ceil(box.bottom) + 1 - top) * SCALE
    lines = [((loop - (left, top)) * SCALE).ravel().tolist() for loop in loops]
    tile, mask = Image.new("RGB", size, thing.rgb), Image.new("L", size)
    pen, mask_pen = ImageDraw.Draw(tile), ImageDraw.Draw(mask)
    if thing.texture != "solid":
        _draw_texture(pen, size, thing)
    mask_pen.polygon([value for line in lines for value in line], 255)
    edge = _mix(thing.rgb, (255, 255, 255), 0.55) if is_dark else _mix(thing.rgb, (0, 0, 0), 0.5)
    for line in lines:
        pen.line(line, edge, width=_EDGE)
        mask_pen.line(line, 255, width=_EDGE)
    canvas.paste(tile.reduce(SCALE), (left, top), mask.reduce(SCALE))


def _draw_texture(pen: ImageDraw.ImageDraw, size: tuple[int, int], thing: Thing) -> None:
    """Stripes or dots that cover about a third."""
    middle_x, middle_y = size[0] / 2, size[1] / 2
    reach = math.hypot(middle_x, middle_y)
    period = max(7.0, 0.36 * thing.radius) * SCALE
    turn = math.radians(thing.slant)
    cos, sin = math.cos(turn), math.sin(turn)
    is_light = sum(thing.rgb) > 3 * 165 or thing.colour in ("yellow", "cyan")
    ink = _mix(thing.rgb, (0, 0, 0), 0.5) if is_light else _mix(thing.rgb, (255, 255, 255), 0.75)
    steps = [index * period for index in range(-int(reach / period) - 1, int(reach / period) + 2)]
    for across in steps:
        x, y = middle_x - across * sin, middle_y + across * cos
        if thing.texture == "striped":
            along_x, along_y = reach * cos, reach * sin
            ends = (x - along_x, y - along_y, x + along_x, y + along_y)
            pen.line(ends, ink, width=round(0.36 * period))
            continue
        dot = 0.29 * period
        for along in steps:
            a, b = x + along * cos, y + along * sin
            pen.ellipse((a - dot, b - dot, a + dot, b + dot), ink)


def _mix(colour: RGB, other: RGB, share: float) -> RGB:
    red, green, blue = (
        round(one + share * (two - one)) for one, two in zip(colour, other, strict=True)
    )
    return red, green, blue
