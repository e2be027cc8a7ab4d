"""How a window of `screens` is drawn: light or dark, in one of five faces, before a grainy desk."""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from triptych.data.worlds.fonts import font
from triptych.data.worlds.marks import Mark, mark_box, mark_letters
from triptych.data.worlds.screens.window import (
    FACES,
    MARK,
    TAB_HEIGHT,
    TITLE_HEIGHT,
    Look,
    Spot,
    Window,
    layout,
)
from triptych.geometry import Box

Colour = tuple[int, int, int]

ACCENTS: dict[str, Colour] = {
    "blue": (38, 108, 224),
    "teal": (10, 138, 136),
    "green": (44, 146, 66),
    "orange": (214, 104, 16),
    "red": (206, 48, 54),
    "pink": (206, 58, 132),
    "violet": (120, 76, 206),
    "slate": (86, 104, 130),
}
_LIGHT: tuple[Colour, ...] = ((250, 250, 250), (240, 240, 240), (244, 240, 232), (232, 238, 246))
_DARK: tuple[Colour, ...] = ((34, 34, 36), (46, 48, 54), (24, 28, 38), (44, 38, 36))
_DESKS: tuple[Colour, ...] = (
    (70, 110, 140),
    (150, 160, 150),
    (90, 70, 110),
    (206, 190, 160),
    (24, 44, 60),
    (176, 196, 216),
)
NUM_TINTS, NUM_DESKS = len(_LIGHT), len(_DESKS)


class _Paint:
    """The colours of one look and a pen; `mix` goes from the window's ground to its ink."""

    def __init__(self, picture: Image.Image, look: Look) -> None:
        self.picture, self.look = picture, look
        self.pen = ImageDraw.Draw(picture)
        self.ground = (_DARK if look.dark else _LIGHT)[look.tint]
        self.ink = (236, 236, 236) if look.dark else (26, 26, 30)
        self.accent = ACCENTS[look.accent]
        self.field = (14, 15, 18) if look.dark else (255, 255, 255)
        self.font = font(look.face, FACES[look.face])
        self.written: list[tuple[str, Box]] = []
        """Every text so far and the box of its letters."""

    def mix(self, share: float) -> Colour:
        red, green, blue = (
            round(ground + share * (ink - ground))
            for ground, ink in zip(self.ground, self.ink, strict=True)
        )
        return red, green, blue

    def text(self, place: tuple[float, float], words: str, ink: Colour, anchor: str = "lm") -> None:
        self.pen.text(place, words, ink, self.font, anchor=anchor)
        self.written.append((words, Box(*self.pen.textbbox(place, words, self.font, anchor))))

    def plate(self, box: Box, fill: Colour, outline: Colour, most_corner: int = 6) -> None:
        corner = min(self.look.corner, most_corner)
        self.pen.rounded_rectangle(_corners(box), corner, fill, outline)

    def mark(self, name: str, left: float, middle: float, colour: Colour) -> None:
        corner = (round(left), round(middle) - MARK // 2)
        self.picture.paste(colour, corner, _mask(name))


def draw_window(window: Window) -> Image.Image:
    """The picture of a window."""
    return _grainy(_drawn(window).picture, window.look)


def mark_window(window: Window) -> list[Mark]:
    """What can be pressed or set, then the letters of all texts."""
    paint = _drawn(window)
    found: list[Mark] = [
        mark_box(spot.box, spot.widget.kind, str(spot.widget.state))
        if spot.widget.kind == "checkbox"
        else mark_box(spot.box, spot.widget.kind)
        for spot in layout(window)
    ]
    for number, (text, box) in enumerate(paint.written):
        found += mark_letters(text, paint.font, box.left, box.centre.y, number)
    return found


def _drawn(window: Window) -> _Paint:
    look = window.look
    picture = Image.new("RGB", window.size, _DESKS[look.desk])
    paint = _Paint(picture, look)
    frame = Box(*map(float, window.frame))
    paint.pen.rectangle(_corners(frame), paint.ground, paint.mix(0.35))
    _title(paint, frame, window.title)
    if window.widgets and window.widgets[0].kind == "tabs":
        _tab_row(paint, frame)
    first_button = next((each.name for each in window.buttons), "")
    for spot in layout(window):
        _spot(paint, spot, spot.name == first_button)
    return paint


def _title(paint: _Paint, frame: Box, title: str) -> None:
    look = paint.look
    ground = {"plain": paint.ground, "shade": paint.mix(0.14), "accent": paint.accent}[look.bar]
    ink = (255, 255, 255) if look.bar == "accent" else paint.ink
    bar = Box(frame.left + 1, frame.top + 1, frame.right - 1, frame.top + TITLE_HEIGHT)
    paint.pen.rectangle(_corners(bar), ground)
    middle = frame.top + TITLE_HEIGHT / 2
    if look.controls == "right":
        paint.mark("cross", frame.right - 22, middle, ink)
        paint.text((frame.left + 10, middle), title, ink)
        return
    for index, colour in enumerate(((236, 96, 90), (240, 190, 70), (96, 196, 90))):
        paint.mark("dot", frame.left + 8 + 13 * index, middle, colour)
    paint.text(((frame.left + frame.right + 36) / 2, middle), title, ink, "mm")


def _tab_row(paint: _Paint, frame: Box) -> None:
    top = frame.top + TITLE_HEIGHT
    row = Box(frame.left + 1, top, frame.right - 1, top + TAB_HEIGHT)
    paint.pen.rectangle(_corners(row), paint.mix(0.1))
    paint.pen.line((row.left, row.bottom - 1, row.right - 1, row.bottom - 1), paint.mix(0.3))


def _spot(paint: _Paint, spot: Spot, is_first: bool) -> None:
    if spot.caption and (spot.widget.kind != "radio" or spot.name == spot.widget.options[0]):
        paint.text((spot.caption.x, spot.caption.y), spot.widget.name, paint.ink)
    match spot.widget.kind:
        case "tabs":
            _tab(paint, spot)
        case "field":
            _field(paint, spot)
        case "checkbox":
            _checkbox(paint, spot)
        case "radio":
            _radio(paint, spot)
        case "dropdown":
            _field(paint, spot)
            paint.mark("arrow", spot.box.right - MARK - 4, spot.box.centre.y, paint.mix(0.7))
        case "slider":
            _slider(paint, spot)
        case "button":
            _button(paint, spot, is_first)


def _tab(paint: _Paint, spot: Spot) -> None:
    box, is_open = spot.box, spot.name == spot.widget.state
    if is_open:
        paint.pen.rectangle((box.left + 1, box.top, box.right - 1, box.bottom - 1), paint.ground)
        paint.pen.rectangle(
            (box.left + 1, box.bottom - 3, box.right - 1, box.bottom - 1), paint.accent
        )
    ink = paint.ink if is_open else paint.mix(0.65)
    paint.text((box.centre.x, box.centre.y - 1), spot.name, ink, "mm")


def _field(paint: _Paint, spot: Spot) -> None:
    paint.plate(spot.box, paint.field, paint.mix(0.45))
    paint.text((spot.box.left + 6, spot.box.centre.y), str(spot.widget.state), paint.ink)


def _checkbox(paint: _Paint, spot: Spot) -> None:
    left, middle = spot.box.left, spot.box.centre.y
    square = Box(left, middle - MARK / 2, left + MARK, middle + MARK / 2)
    # Not rounder, or it would look like a radio button.
    if spot.widget.state:
        paint.plate(square, paint.accent, paint.accent, 3)
        paint.mark("tick", left, middle, (255, 255, 255))
    else:
        paint.plate(square, paint.field, paint.mix(0.6), 3)
    paint.text((left + MARK + 6, middle), spot.name, paint.ink)


def _radio(paint: _Paint, spot: Spot) -> None:
    left, middle = spot.box.left, spot.box.centre.y
    is_chosen = spot.name == spot.widget.state
    paint.mark("disc", left, middle, paint.accent if is_chosen else paint.mix(0.6))
    paint.mark("pupil" if is_chosen else "hole", left, middle, paint.field)
    paint.text((left + MARK + 4, middle), spot.name, paint.ink)


def _slider(paint: _Paint, spot: Spot) -> None:
    box, level = spot.box, int(spot.widget.state)
    left, right, middle = box.left + 7, box.right - 36, box.centre.y
    knob = left + (right - left) * level / 100
    paint.pen.rectangle((left, middle - 2, right, middle + 1), paint.mix(0.3))
    paint.pen.rectangle((left, middle - 2, knob, middle + 1), paint.accent)
    paint.mark("disc", knob - MARK / 2, middle, paint.accent)
    paint.text((box.right, middle), str(level), paint.ink, "rm")


def _button(paint: _Paint, spot: Spot, is_first: bool) -> None:
    middle = (spot.box.centre.x, spot.box.centre.y)
    if not spot.widget.state:
        paint.plate(spot.box, paint.mix(0.06), paint.mix(0.15))
        paint.text(middle, spot.name, paint.mix(0.42), "mm")
    elif is_first:
        paint.plate(spot.box, paint.accent, paint.accent)
        paint.text(middle, spot.name, (255, 255, 255), "mm")
    else:
        paint.plate(spot.box, paint.mix(0.12), paint.mix(0.5))
        paint.text(middle, spot.name, paint.ink, "mm")


def _corners(box: Box) -> tuple[float, float, float, float]:
    """As Pillow counts: the last pixel is part of a rectangle."""
    return box.left, box.top, box.right - 1, box.bottom - 1


@cache
def _mask(name: str) -> Image.Image:
    """A small shape, drawn large and reduced so that its edges are smooth."""
    size = 8 * MARK
    mask = Image.new("L", (size, size))
    pen = ImageDraw.Draw(mask)
    insets = {"disc": 0, "dot": 16, "hole": 9, "pupil": 36}
    if name in insets:
        inset = insets[name]
        pen.ellipse((inset, inset, size - inset, size - inset), 255)
    elif name == "tick":
        pen.line(((24, 58), (48, 82), (90, 30)), 255, 16, "curve")
    elif name == "arrow":
        pen.line(((24, 40), (56, 72), (88, 40)), 255, 13, "curve")
    else:
        pen.line((26, 26, 86, 86), 255, 11)
        pen.line((26, 86, 86, 26), 255, 11)
    return mask.resize((MARK, MARK), Image.Resampling.LANCZOS)


def _grainy(picture: Image.Image, look: Look) -> Image.Image:
    if not look.grain:
        return picture
    rng = np.random.default_rng(look.seed)
    noise = rng.integers(-look.grain, look.grain + 1, (picture.height, picture.width, 1), np.int16)
    pixels = np.asarray(picture, np.int16) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
