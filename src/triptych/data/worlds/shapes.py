"""Drawn pictures of one or two coloured shapes, with captions that are true.

The smallest world: it exists so that a first training run needs no data and takes a minute. A
picture and its captions are a function of its number and the seed.
"""

import random
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw

Colour = Literal["red", "green", "blue", "yellow", "white", "purple"]
Kind = Literal["circle", "square", "triangle", "cross"]

COLOURS: dict[Colour, tuple[int, int, int]] = {
    "red": (214, 50, 48),
    "green": (52, 168, 83),
    "blue": (48, 98, 214),
    "yellow": (245, 205, 60),
    "white": (240, 240, 240),
    "purple": (150, 70, 190),
}
KINDS: tuple[Kind, ...] = ("circle", "square", "triangle", "cross")


@dataclass(frozen=True, slots=True)
class DrawnShape:
    """One shape of a picture."""

    colour: Colour
    kind: Kind
    centre: tuple[float, float]
    """Column and row as shares of the picture."""
    radius: float
    """Half its side, as a share of the picture."""

    @property
    def name(self) -> str:
        return f"{self.colour} {self.kind}"


@dataclass(frozen=True, slots=True)
class DrawnPicture:
    """A picture with what is in it."""

    picture_id: str
    image: Image.Image
    shapes: tuple[DrawnShape, ...]
    captions: tuple[str, ...]


def draw_shapes(number: int, *, size: int = 64, seed: int = 0) -> DrawnPicture:
    """Picture `number`: one shape, or two side by side or one above the other."""
    chance = random.Random(f"shapes-{seed}-{number}")
    shapes = _place(chance)
    image = Image.new("RGB", (size * 2, size * 2), _background(chance))
    pen = ImageDraw.Draw(image)
    for shape in shapes:
        _draw(pen, shape, size * 2)
    # Drawn at twice the size and reduced, so that edges are smooth.
    image = image.resize((size, size), Image.Resampling.LANCZOS)
    return DrawnPicture(f"shapes-{seed}-{number}", image, shapes, _captions(shapes))


def draw_colour(number: int, *, size: int = 64, seed: int = 0) -> DrawnPicture:
    """Picture `number` of one colour and nothing else: what can be learned at a glance."""
    chance = random.Random(f"colours-{seed}-{number}")
    colour = chance.choice(list(COLOURS))
    image = Image.new("RGB", (size, size), COLOURS[colour])
    return DrawnPicture(f"colours-{seed}-{number}", image, (), (colour,))


def _place(chance: random.Random) -> tuple[DrawnShape, ...]:
    names: list[tuple[Colour, Kind]] = chance.sample(
        [(colour, kind) for colour in COLOURS for kind in KINDS], 2
    )
    along, across = chance.uniform(0.24, 0.28), chance.uniform(0.4, 0.6)
    radii = (0.17, 0.22)
    layout = chance.choice(("one", "one", "beside", "above"))
    if layout == "one":
        radii = (0.24, 0.32)
        centres = [(chance.uniform(0.36, 0.64), chance.uniform(0.36, 0.64))]
    elif layout == "beside":
        centres = [(along, across), (1 - along, 1 - across)]
    else:
        centres = [(across, along), (1 - across, 1 - along)]
    return tuple(
        DrawnShape(colour, kind, centre, chance.uniform(*radii))
        for (colour, kind), centre in zip(names, centres, strict=False)
    )


def _background(chance: random.Random) -> tuple[int, int, int]:
    grey = chance.randint(20, 90)
    return grey, grey + chance.randint(-8, 8), grey + chance.randint(-8, 8)


def _draw(pen: ImageDraw.ImageDraw, shape: DrawnShape, size: int) -> None:
    x, y, r = shape.centre[0] * size, shape.centre[1] * size, shape.radius * size
    fill = COLOURS[shape.colour]
    if shape.kind == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill)
    elif shape.kind == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill)
    elif shape.kind == "triangle":
        pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill)
    else:
        pen.rectangle((x - r, y - r / 3, x + r, y + r / 3), fill)
        pen.rectangle((x - r / 3, y - r, x + r / 3, y + r), fill)


def _captions(shapes: tuple[DrawnShape, ...]) -> tuple[str, ...]:
    if len(shapes) == 1:
        name = shapes[0].name
        return (f"a {name}", f"there is a {name}", f"a picture of a {name}")
    first, second = shapes
    beside = abs(first.centre[0] - second.centre[0]) > abs(first.centre[1] - second.centre[1])
    forward, backward = ("to the left of", "to the right of") if beside else ("above", "below")
    return (
        f"a {first.name} {forward} a {second.name}",
        f"a {second.name} {backward} a {first.name}",
        f"there is a {first.name} {forward} a {second.name}",
    )
