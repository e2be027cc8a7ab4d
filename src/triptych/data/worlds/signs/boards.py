"""Signs: coloured boards with a line of text, their boxes and their pixels."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import Literal, TypeAlias

from PIL import Image, ImageDraw

from triptych.data.worlds.backgrounds import RGB
from triptych.data.worlds.fonts import font
from triptych.data.worlds.held_out import pair_is_held_out
from triptych.data.worlds.marks import Mark, ThingMark, mark_letters
from triptych.data.worlds.objects import COLOURS
from triptych.data.worlds.signs.words import TextKind
from triptych.data.worlds.wording import Split
from triptych.geometry import Box, Point

BoardShape: TypeAlias = Literal["plate", "rounded", "banner"]
BOARD_SHAPES: tuple[BoardShape, ...] = ("plate", "rounded", "banner")

INKS: tuple[RGB, ...] = (
    *((250, 250, 250), (18, 18, 20), (250, 224, 70)),
    *((16, 28, 92), (96, 10, 16), (8, 60, 30), (255, 240, 214)),
)
"""White, black, yellow, dark blue, dark red, dark green, cream."""

MIN_CONTRAST, MIN_CONTRAST_DARK = 3.2, 4.8
"""Ratios of luminances of light and dark text to the board; WCAG 2 asks for 3 where letters are
large, but dark red on green is hard to read at that."""

LOWEST, HIGHEST = 12, 40
"""Heights of capitals, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One sign. Board and text share their centre and are turned together."""

    text: str
    """As drawn, in its case."""
    text_kind: TextKind
    shape: BoardShape
    colour: str
    """What the board's colour is called, one of `COLOURS`."""
    board: RGB
    """Its own shade of that colour."""
    ink: RGB
    font: str
    """One of `FONTS`."""
    text_height: int
    """Of capitals, in pixels."""
    width: int
    """Of the board, in pixels; even, like the height."""
    height: int
    x: int
    """Centre of the board, in pixels from the left."""
    y: int
    """Centre of the board, in pixels from the top."""
    angle: float = 0.0
    """How far it is turned clockwise, in degrees."""

    @property
    def box(self) -> Box:
        """The smallest box around the board."""
        turn = math.radians(self.angle)
        cos, sin, r = abs(math.cos(turn)), abs(math.sin(turn)), corner_radius(self)
        # A rounded rectangle is a smaller one thickened by the radius of its corners.
        wide, high = self.width / 2 - r, self.height / 2 - r
        across, down = wide * cos + high * sin + r, wide * sin + high * cos + r
        return Box(self.x - across, self.y - down, self.x + across, self.y + down)


# -- which colours go together --------------------------------------------------------------------


def contrast(one: RGB, other: RGB) -> float:
    """Ratio of luminances, 1 to 21 (WCAG 2)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: RGB) -> float:
    red, green, blue = (
        c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(maxsize=32)
def inks_on(colour: str) -> tuple[RGB, ...]:
    """Inks that are legible on a board of this colour."""
    board = COLOURS[colour]
    return tuple(ink for ink in INKS if contrast(ink, board) >= _needed(ink))


def _needed(ink: RGB) -> float:
    return MIN_CONTRAST if sum(ink) > 3 * 128 else MIN_CONTRAST_DARK


@lru_cache(maxsize=64)
def colours_of(shape: BoardShape, split: Split) -> tuple[str, ...]:
    """Colours in which a split shows boards of this shape; `combinations` has its own."""
    wanted = split == "combinations"
    return tuple(one for one in COLOURS if pair_is_held_out(one, shape) == wanted)


# -- how large they are ---------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def font_size(name: str, text_height: int) -> int:
    """The size at which capitals of this font are this high, or as near below as there is."""
    size = text_height
    while capital_height(name, size + 1) <= text_height:
        size += 1
    return size


@lru_cache(maxsize=2048)
def capital_height(name: str, size: int) -> int:
    """Pixels from the top to the foot of a capital, measured."""
    _, top, _, bottom = font(name, size).getbbox("H", anchor="ls")
    return round(bottom - top)


def text_extent(text: str, name: str, text_height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the drawn letters, from the start of their baseline."""
    left, top, right, bottom = font(name, font_size(name, text_height)).getbbox(text, anchor="ls")
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)


def board_size(
    text: str, name: str, text_height: int, shape: BoardShape, rng: Random
) -> tuple[int, int]:
    """Width and height of a board for this text, with some air around it."""
    left, _, right, _ = text_extent(text, name, text_height)
    height = round(text_height * rng.uniform(2.0, 2.6)) // 2 * 2
    air = round(text_height * rng.uniform(0.45, 0.9)) + _notch(shape, height)
    return (right - left + 2 * air) // 2 * 2 + 2, height


def fits(text: str, sign: Sign) -> bool:
    """Whether the board is wide enough for another text in the same letters."""
    left, _, right, _ = text_extent(text, sign.font, sign.text_height)
    air = max(3, round(0.25 * sign.text_height)) + _notch(sign.shape, sign.height)
    return right - left + 2 * air <= sign.width


def _notch(shape: BoardShape, height: int) -> int:
    """How far the ends of a banner are cut in, in pixels."""
    return round(0.3 * height) if shape == "banner" else 0


def corner_radius(sign: Sign) -> float:
    """Of a board's corners, in pixels."""
    return {"plate": 1.0, "rounded": 0.3 * sign.height, "banner": 0.0}[sign.shape]


# -- what is seen of them -------------------------------------------------------------------------


def mark_sign(sign: Sign, number: int) -> list[Mark]:
    """The board and its letters, turned as they are drawn; `number` tells signs apart."""
    wide, high = sign.width / 2, sign.height / 2
    corners = ((-wide, -high), (wide, -high), (wide, high), (-wide, high))
    board = ThingMark(
        words=(sign.colour, "sign"),
        outline=tuple(_turn(sign, x, y) for x, y in corners),
        box=sign.box,
    )
    left, _, right, _ = text_extent(sign.text, sign.font, sign.text_height)
    face = font(sign.font, font_size(sign.font, sign.text_height))
    letters = mark_letters(sign.text, face, -float((left + right) // 2), 0.0, number)
    return [board, *(replace(m, middle=_turn(sign, m.middle.x, m.middle.y)) for m in letters)]


def _turn(sign: Sign, x: float, y: float) -> Point:
    """Where a place of the upright board lies in the picture, told from the board's middle."""
    turn = math.radians(sign.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    return Point(sign.x + cos * x - sin * y, sign.y + sin * x + cos * y)


# -- pixels ---------------------------------------------------------------------------------------

_SCALE = 2
# Boards are drawn and turned at twice the size, then reduced, so that edges are smooth.


def draw_sign(canvas: Image.Image, sign: Sign, *, has_text: bool = True) -> None:
    """Put a sign on a picture, if wanted with nothing written on it."""
    box = sign.box
    # Whole pixels on either side of the centre keep the middle of mask and board together.
    across, down = math.ceil(box.width / 2) + 1, math.ceil(box.height / 2) + 1
    corner = (sign.x - across, sign.y - down)
    border = 1.0 if sign.height < 40 else 1.5
    for colour, inset in ((_edge(sign.board), 0.0), (sign.board, border)):
        mask = _turned(_board_mask(sign, across, down, inset), sign.angle)
        canvas.paste(colour, corner, mask.reduce(_SCALE))
    if has_text:
        canvas.paste(sign.ink, corner, _text_mask(sign, across, down))


def _turned(mask: Image.Image, angle: float) -> Image.Image:
    return mask.rotate(-angle, Image.Resampling.BILINEAR) if angle else mask


def _edge(board: RGB) -> RGB:
    """A darker shade, or a lighter one of what is dark already."""
    target, share = (255, 0.45) if sum(board) < 180 else (0, 0.4)
    red, green, blue = (round(c + share * (target - c)) for c in board)
    return red, green, blue


def _board_mask(sign: Sign, across: int, down: int, inset: float) -> Image.Image:
    mask = Image.new("L", (2 * across * _SCALE, 2 * down * _SCALE))
    pen = ImageDraw.Draw(mask)
    left, top = across - sign.width / 2 + inset, down - sign.height / 2 + inset
    right, bottom = across + sign.width / 2 - inset, down + sign.height / 2 - inset
    # Pillow counts from the middle of the first pixel and draws the last one too.
    rim = [value * _SCALE for value in (left, top, right, bottom)]
    ends = (rim[0], rim[1], rim[2] - 1, rim[3] - 1)
    if sign.shape != "banner":
        pen.rounded_rectangle(ends, max(0.0, corner_radius(sign) - inset) * _SCALE, fill=255)
        return mask
    cut, middle = _notch("banner", sign.height) * _SCALE, (ends[1] + ends[3]) / 2
    corners = [(ends[0], ends[1]), (ends[2], ends[1]), (ends[2] - cut, middle)]
    corners += [(ends[2], ends[3]), (ends[0], ends[3]), (ends[0] + cut, middle)]
    pen.polygon(corners, fill=255)
    return mask


def _text_mask(sign: Sign, across: int, down: int) -> Image.Image:
    """The letters, their capitals in the middle of the board."""
    left, _, right, _ = text_extent(sign.text, sign.font, sign.text_height)
    written = Image.new("L", (2 * across, 2 * down))
    start = across - (left + right) // 2
    ImageDraw.Draw(written).text(
        (start, down + sign.text_height // 2),
        sign.text,
        fill=255,
        font=font(sign.font, font_size(sign.font, sign.text_height)),
        anchor="ls",
    )
    if not sign.angle:
        return written
    enlarged = (2 * across * _SCALE, 2 * down * _SCALE)
    return _turned(written.resize(enlarged, Image.Resampling.BICUBIC), sign.angle).reduce(_SCALE)
