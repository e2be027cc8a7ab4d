"""Where signs stand, how large they are and what is on them; and what lies around them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from triptych.data.worlds.fonts import FONTS
from triptych.data.worlds.objects import (
    COLOURS,
    SHAPES,
    TEXTURES,
    Thing,
    box_of,
    radius,
    shade,
    tilt,
)
from triptych.data.worlds.signs.boards import (
    BOARD_SHAPES,
    HIGHEST,
    LOWEST,
    Sign,
    board_size,
    colours_of,
    inks_on,
)
from triptych.data.worlds.signs.words import TEXT_KINDS, TextKind, clashes, make_text
from triptych.data.worlds.wording import Split
from triptych.geometry import Box

PLANTED = {
    "red": "STOP",
    "green": "HOTEL",
    "blue": "PARKING",
    "yellow": "TAXI",
    "orange": "PIZZA",
    "purple": "MUSIC",
    "pink": "CANDY",
    "brown": "COFFEE",
    "grey": "METAL",
    "black": "CLOSED",
    "white": "BAKERY",
    "cyan": "SUPPLY",
}
"""What a sign of each colour says where a prior is planted; all are words of training."""


def place(
    rng: Random, split: Split, prior: float, size: tuple[int, int], num_signs: int
) -> tuple[Sign, ...]:
    """Signs that do not touch each other or the rim, smaller ones where larger do not fit."""
    highest = {1: HIGHEST, 2: 34, 3: 26}[num_signs]
    while True:
        signs: list[Sign] = []
        for _ in range(8 * num_signs):
            sign = _new_sign(rng, split, prior, size, highest, signs)
            if sign is not None:
                signs.append(sign)
            if len(signs) == num_signs:
                return tuple(signs)
        highest = max(LOWEST, highest - 4)


def _new_sign(
    rng: Random,
    split: Split,
    prior: float,
    size: tuple[int, int],
    highest: int,
    signs: Sequence[Sign],
) -> Sign | None:
    """A sign beside those that are there, or None where it found no room."""
    shape = rng.choice(BOARD_SHAPES)
    taken = {sign.colour for sign in signs} if rng.random() < 0.75 else set[str]()
    colours = [one for one in colours_of(shape, split) if one not in taken]
    if not colours:
        return None
    colour = rng.choice(colours)
    kind, text = _text_kind(rng), PLANTED[colour]
    if rng.random() < prior:
        kind = "word"
    else:
        text = make_text(kind, 10, split == "test", rng)
    if clashes(text, [sign.text for sign in signs]):
        return None
    lettering = rng.choice(tuple(FONTS))
    # As many of twice the height as of half: small text is what is hard.
    text_height = round(LOWEST * (highest / LOWEST) ** rng.random())
    width, height = board_size(text, lettering, text_height, shape, rng)
    sign = Sign(
        text=text,
        text_kind=kind,
        shape=shape,
        colour=colour,
        board=COLOURS[colour],
        ink=rng.choice(inks_on(colour)),
        font=lettering,
        text_height=text_height,
        width=width,
        height=height,
        x=size[0] // 2,
        y=size[1] // 2,
        angle=rng.choice((0.0, rng.uniform(-8, 8), rng.uniform(-8, 8))),
    )
    return _with_room(sign, rng, size, [other.box for other in signs])


def _text_kind(rng: Random) -> TextKind:
    return rng.choices(TEXT_KINDS, weights=(42, 24, 34))[0]


def _with_room(
    sign: Sign, rng: Random, size: tuple[int, int], others: Sequence[Box], margin: int = 4
) -> Sign | None:
    """The sign at a place in the picture where it touches no other, or None."""
    half_width, half_height = sign.box.width / 2 + margin, sign.box.height / 2 + margin
    across, down = math.ceil(half_width), math.ceil(half_height)
    if 2 * across > size[0] or 2 * down > size[1]:
        return None
    for _ in range(10):
        x, y = rng.randint(across, size[0] - across), rng.randint(down, size[1] - down)
        room = Box(x - half_width, y - half_height, x + half_width, y + half_height)
        if not any(room.intersection(other) for other in others):
            return replace(sign, x=x, y=y)
    return None


def scatter(rng: Random, size: tuple[int, int], taken: Sequence[Box]) -> tuple[Thing, ...]:
    """Up to four objects that cover no sign."""
    things: list[Thing] = []
    for _ in range(rng.randint(0, 4)):
        shape, colour = rng.choice(SHAPES), rng.choice(tuple(COLOURS))
        thing = Thing(
            shape=shape,
            colour=colour,
            rgb=shade(rng, colour),
            size=(size_name := rng.choice(("small", "medium"))),
            texture=rng.choice(TEXTURES),
            x=rng.uniform(16, size[0] - 16),
            y=rng.uniform(16, size[1] - 16),
            radius=radius(rng, size_name, size),
            angle=tilt(rng, shape),
            slant=rng.uniform(0, 180),
        )
        box = box_of(thing)
        if not any(box.intersection(other) for other in [*taken, *map(box_of, things)]):
            things.append(thing)
    return tuple(things)
