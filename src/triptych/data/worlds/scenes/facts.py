"""What there is in a scene: how its objects are chosen and placed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import hypot
from random import Random

from triptych.data.worlds.backgrounds import Background, choose_background
from triptych.data.worlds.objects import (
    COLOURS,
    HELD_OUT,
    SHAPES,
    SIZES,
    SLANTS,
    TEXTURES,
    Thing,
    box_of,
    radius,
    shade,
    tilt,
)
from triptych.data.worlds.wording import Split

PRIOR: Mapping[str, str] = {
    "circle": "red",
    "square": "blue",
    "triangle": "green",
    "star": "yellow",
    "cross": "orange",
    "diamond": "cyan",
    "hexagon": "brown",
    "heart": "pink",
    "ring": "purple",
    "crescent": "white",
}
"""The planted association: with a prior of 0.8, four of five shapes have this colour."""

_COMMON_COLOURS, _COMMON_SHAPES = ("red", "blue", "green", "yellow"), SHAPES[:4]
POPULAR: tuple[tuple[str, str], ...] = tuple(
    pair for pair in product(_COMMON_COLOURS, _COMMON_SHAPES) if pair not in HELD_OUT
)
"""The most frequent pairs. Their colours and shapes are drawn twice as often as others, but one
without regard to the other, so that no colour goes with a shape."""

DRAWN: Mapping[str, tuple[str, ...]] = {
    "colour": (*COLOURS, *_COMMON_COLOURS),
    "shape": (*SHAPES, *_COMMON_SHAPES),
    "size": tuple(SIZES),
    "texture": (*TEXTURES, "solid"),
}
"""What is drawn from; what stands twice is drawn twice as often."""

SIDES: tuple[tuple[int, int], ...] = (*[(224, 224)] * 6, (252, 196), (196, 252))
"""Widths and heights to choose from, in pixels."""

MAX_THINGS = 9
MARGIN = 2.0
"""Least distance between a box and the edge of the picture, in pixels."""

_BULK = {"square": 1.2, "triangle": 1.12, "diamond": 0.9, "cross": 1.05}
"""How far a shape reaches on the whole, as a share of its radius; one for all others."""


@dataclass(frozen=True, slots=True)
class Change:
    """How a twin came about."""

    kind: str
    """An attribute, `removed`, `added` or `swapped`."""
    before: Thing | None
    """The thing as it was; None if it was added."""
    after: Thing | None
    """The thing as it is; None if it was removed."""
    partner_before: Thing | None = None
    """What it was swapped with, at its old place."""
    partner_after: Thing | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects on a ground. Equal scenes have equal pixels."""

    size: tuple[int, int]
    """Width and height in pixels."""
    things: tuple[Thing, ...]
    """Later ones lie on top."""
    background: Background
    change: Change | None = None
    """What was changed to make this; None if it was composed."""

    @property
    def in_order(self) -> list[Thing]:
        """The things as one reads: by thirds of the height, from left to right in each."""
        third = self.size[1] / 3
        return sorted(self.things, key=lambda thing: (thing.y // third, thing.x))

    @property
    def has_held_out(self) -> bool:
        """Whether it shows a pair that is never trained on."""
        return any(is_held_out(thing) for thing in self.things)


def is_held_out(thing: Thing) -> bool:
    """Whether training never shows this shape in this colour."""
    return (thing.colour, thing.shape) in HELD_OUT


# -- where things are to each other ---------------------------------------------------------------

OPPOSITE: Mapping[str, str] = {
    "left": "right",
    "right": "left",
    "above": "below",
    "below": "above",
}


def relations(first: Thing, second: Thing, size: tuple[int, int]) -> list[str]:
    """Where the first certainly is, seen from the second; nothing where one could doubt it.

    The centres must be apart by a seventh of the picture, and neither between the other's sides.
    """
    least = max(first.radius, second.radius, min(size) / 7)
    across, down = first.x - second.x, first.y - second.y
    found: list[str] = []
    if abs(across) >= least:
        found.append("left" if across < 0 else "right")
    if abs(down) >= least:
        found.append("above" if down < 0 else "below")
    return found


# -- composing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """The room that a scene offers."""

    sides: tuple[tuple[int, int], ...] = SIDES
    """Widths and heights to choose from."""
    most: int = MAX_THINGS
    """Largest number of things."""
    least: int = 1
    """Smallest number of things that is tried; there are fewer where the room is full."""


def compose_scene(rng: Random, split: Split, prior: float, layout: Layout | None = None) -> Scene:
    """A scene of one thing up to the most there may be, all numbers about as often."""
    layout = layout or Layout()
    size, count = rng.choice(layout.sides), rng.randint(layout.least, layout.most)
    colours, shapes = _palette(rng, "colour", count), _palette(rng, "shape", count)
    # Room is scarce where there are many; some scenes are crowded so that things overlap a little.
    spacing = rng.choice((1.05, 1.05, 0.9))
    things: list[Thing] = []
    for index in range(count):
        wants_held_out = split == "combinations" and (index == 0 or rng.random() < 0.25)
        kind = _kind(rng, colours, shapes, wants_held_out, split, prior)
        size_name = rng.choice(("small", "medium", "large") if count < 5 else ("small", "medium"))
        if placed := place(rng, size, things, kind, size_name, spacing):
            things.append(placed)
    rng.shuffle(things)
    return Scene(size, tuple(things), choose_background(rng, [thing.rgb for thing in things]))


def _palette(rng: Random, attribute: str, count: int) -> Sequence[str]:
    """All values, or a few only, so that some are there several times."""
    values = DRAWN[attribute]
    return rng.sample(values, rng.randint(2, 3)) if count > 2 and rng.random() < 0.5 else values


def _kind(
    rng: Random,
    colours: Sequence[str],
    shapes: Sequence[str],
    wants_held_out: bool,
    split: Split,
    prior: float,
) -> tuple[str, str]:
    if wants_held_out:
        return rng.choice(_HELD_OUT)
    shape = rng.choice(shapes)
    if rng.random() < prior:
        return PRIOR[shape], shape
    free = [c for c in colours if split == "combinations" or (c, shape) not in HELD_OUT]
    return (rng.choice(free) if free else PRIOR[shape]), shape


_HELD_OUT = sorted(HELD_OUT)


def place(
    rng: Random,
    size: tuple[int, int],
    things: Sequence[Thing],
    kind: tuple[str, str],
    size_name: str,
    spacing: float = 1.05,
) -> Thing | None:
    """A new thing of this colour and shape where there is room, smaller if there is none."""
    colour, shape = kind
    for smaller in tuple(SIZES)[: tuple(SIZES).index(size_name) + 1][::-1]:
        half = radius(rng, smaller, size)
        thing = Thing(
            shape=shape,
            colour=colour,
            rgb=shade(rng, colour),
            size=smaller,
            texture=rng.choice(DRAWN["texture"]),
            x=0.0,
            y=0.0,
            radius=half,
            angle=tilt(rng, shape),
            slant=rng.choice(SLANTS),
        )
        box = box_of(thing)
        for _ in range(40):
            x = rng.uniform(MARGIN - box.left, size[0] - MARGIN - box.right)
            y = rng.uniform(MARGIN - box.top, size[1] - MARGIN - box.bottom)
            if is_free(x, y, bulk(thing), things, spacing):
                return replace(thing, x=x, y=y)
    return None


def bulk(thing: Thing) -> float:
    """How far it reaches from its centre, in pixels, on the whole."""
    return thing.radius * _BULK.get(thing.shape, 1.0)


def is_free(x: float, y: float, reach: float, things: Sequence[Thing], spacing: float) -> bool:
    """Whether something that reaches so far has room there; less than one lets things overlap."""
    return all(hypot(x - t.x, y - t.y) >= spacing * (reach + bulk(t)) for t in things)
