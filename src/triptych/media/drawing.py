"""Pictures for people: a sheet of captioned pictures, values laid over a picture, bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from triptych.errors import ShapeError

Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_INK, _FAINT, _RULE = (28, 30, 34), (112, 118, 128), (222, 225, 230)
_PAPER, _CARD = (245, 246, 248), (255, 255, 255)
_LABELS = ((166, 88, 20), (14, 112, 78), (58, 78, 158), (142, 46, 110), (86, 96, 108))
"""Colours of the labels of a sheet, in order of their first appearance."""

# Sizes in pixels; a sheet is drawn large, so that it stays crisp on dense screens and on paper.
_WIDTH, _MARGIN, _GAP, _PADDING, _CORNER = 1600, 56, 24, 28, 14
_PICTURE_WIDTH, _PICTURE_HEIGHT, _LABEL_WIDTH = 360, 300, 180
_TITLE_SIZE, _TEXT_SIZE, _LABEL_SIZE, _LINE, _BETWEEN = 44, 31, 25, 42, 14
_BAR_WIDTH, _BAR_HEIGHT, _BAR_STEP = 640, 40, 64
_BAR_PALE, _BAR_STRONG = (178, 198, 216), (31, 78, 121)
_MOST_LINES = 6
"""Of one text; the rest of an endless answer is cut, with a sign that it was."""


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One labelled text beside a picture."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One picture with the texts beside it."""

    picture: Image.Image
    lines: tuple[SheetLine, ...]


def sheet(rows: Sequence[SheetRow], title: str) -> Image.Image:
    """A page with one picture a row and its labelled texts on the right.

    Equal labels have equal colours all over the sheet; texts are wrapped, and cut after some
    lines; pictures keep their shape, and small ones are enlarged without smoothing.
    """
    labels = dict.fromkeys(line.label for row in rows for line in row.lines)
    colours = {label: _LABELS[index % len(_LABELS)] for index, label in enumerate(labels)}
    heading = _wrap(title, _font(_TITLE_SIZE), _WIDTH - 2 * _MARGIN)
    top = _MARGIN + round(1.3 * _TITLE_SIZE) * len(heading) + _GAP
    cards = [_card(row, colours) for row in rows]
    height = top + sum(card.height + _GAP for card in cards) + _MARGIN - _GAP
    page = Image.new("RGB", (_WIDTH, height), _PAPER)
    _write(page, (_MARGIN, _MARGIN), heading, _INK, _TITLE_SIZE, round(1.3 * _TITLE_SIZE))
    for card in cards:
        page.paste(card, (_MARGIN, top))
        top += card.height + _GAP
    return page


def overlay_heatmap(
    picture: Image.Image, values: Float[np.ndarray, "row col"], strength: float = 0.6
) -> Image.Image:
    """The picture in grey under one translucent colour a cell, dark blue (least) to yellow (most).

    The scale below says what the colours stand for. Values that are no finite numbers are left
    white.

    Raises:
        ShapeError: there are no values.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ShapeError(f"a heat map of shape {values.shape} has no finite value to show")
    low, high = float(finite.min()), float(finite.max())
    width = max(picture.width, 672)
    height = max(1, round(picture.height * width / picture.width))
    base = picture.convert("L").convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    cells = Image.fromarray(_ramp((values - low) / max(high - low, 1e-12)))
    cells = cells.resize((width, height), Image.Resampling.NEAREST)
    page = Image.new("RGB", (width, height + 76), _CARD)
    page.paste(Image.blend(base, cells, strength), (0, 0))
    _draw_scale(page, height + 14, low, high)
    return page


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One labelled bar."""

    label: str
    length: float
    """At least 0, in the unit of all bars of a page."""
    filled: float
    """Share of it, 0 to 1, in the strong colour."""
    text: str
    """Beside it."""


def bars(rows: Sequence[Bar], title: str, notes: Sequence[str]) -> Image.Image:
    """A page with a bar a row, the longest as wide as there is room, over some notes."""
    heading = _wrap(title, _font(_TITLE_SIZE), _WIDTH - 2 * _MARGIN)
    below = [line for note in notes for line in _wrap(note, _font(_LABEL_SIZE), _WIDTH - 112)]
    top = _MARGIN + round(1.3 * _TITLE_SIZE) * len(heading) + _GAP
    under = top + _BAR_STEP * len(rows) + _GAP
    page = Image.new("RGB", (_WIDTH, under + _LINE * len(below) + _MARGIN), _PAPER)
    _write(page, (_MARGIN, _MARGIN), heading, _INK, _TITLE_SIZE, round(1.3 * _TITLE_SIZE))
    longest = max((row.length for row in rows), default=0.0) or 1.0
    for row in rows:
        _draw_bar(page, top, row, row.length / longest)
        top += _BAR_STEP
    _write(page, (_MARGIN, under), below, _FAINT, _LABEL_SIZE, _LINE)
    return page


def _draw_bar(page: Image.Image, top: int, bar: Bar, share: float) -> None:
    """The bar with its label in front and its text behind it."""
    left = _MARGIN + _LABEL_WIDTH
    right = left + max(2, round(share * _BAR_WIDTH))
    filled = left + round(bar.filled * (right - left))
    draw, bottom = ImageDraw.Draw(page), top + _BAR_HEIGHT
    draw.rectangle((left, top, right, bottom), _BAR_PALE)
    if filled > left:
        draw.rectangle((left, top, filled, bottom), _BAR_STRONG)
    label = _wrap(bar.label, _font(_TEXT_SIZE), _LABEL_WIDTH - _BETWEEN, 1)
    _write(page, (_MARGIN, top), label, _INK, _TEXT_SIZE, _LINE)
    _write(page, (right + _BETWEEN, top + 4), [bar.text], _FAINT, _LABEL_SIZE, _LINE)


def _card(row: SheetRow, colours: dict[str, Colour]) -> Image.Image:
    """One row of a sheet on a ground of its own."""
    picture = _fitted(row.picture)
    left = _PADDING + _PICTURE_WIDTH + _PADDING
    room = _WIDTH - 2 * _MARGIN - left - _LABEL_WIDTH - _PADDING
    wrapped = [_wrap(line.text, _font(_TEXT_SIZE), room, _MOST_LINES) for line in row.lines]
    text_height = _LINE * sum(map(len, wrapped)) + _BETWEEN * max(0, len(wrapped) - 1)
    inside = max(picture.height, text_height)
    card = Image.new("RGB", (_WIDTH - 2 * _MARGIN, inside + 2 * _PADDING), _PAPER)
    outline = (0, 0, card.width - 1, card.height - 1)
    ImageDraw.Draw(card).rounded_rectangle(outline, _CORNER, _CARD, _RULE, 2)
    indent = (_PICTURE_WIDTH - picture.width) // 2
    card.paste(picture, (_PADDING + indent, _PADDING + (inside - picture.height) // 2))
    top = _PADDING + (inside - text_height) // 2
    for line, words in zip(row.lines, wrapped, strict=True):
        label = _wrap(line.label, _font(_LABEL_SIZE), _LABEL_WIDTH - _BETWEEN, 1)
        _write(card, (left, top + 5), label, colours[line.label], _LABEL_SIZE, _LINE)
        ink = _INK if line.text.strip() else _FAINT
        _write(card, (left + _LABEL_WIDTH, top), words, ink, _TEXT_SIZE, _LINE)
        top += _LINE * len(words) + _BETWEEN
    return card


def _fitted(picture: Image.Image) -> Image.Image:
    """The picture as large as it fits into its place on a card."""
    scale = min(_PICTURE_WIDTH / picture.width, _PICTURE_HEIGHT / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    resampling = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize(size, resampling)


def _write(
    page: Image.Image,
    corner: tuple[int, int],
    lines: Sequence[str],
    colour: Colour,
    size: int,
    step: int,
) -> None:
    left, top = corner
    for number, line in enumerate(lines):
        ImageDraw.Draw(page).text((left, top + number * step), line, colour, _font(size))


def _wrap(text: str, font: Font, width: int, most_lines: int = 3) -> list[str]:
    """The text in lines that are not wider than `width`; a cut is shown by an ellipsis."""
    lines = [""]
    for word in text.split() or ["(nothing)"]:
        for piece in _break(word, font, width):
            longer = f"{lines[-1]} {piece}".strip()
            if font.getlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(piece)
        if len(lines) > most_lines:
            break
    if len(lines) <= most_lines:
        return lines
    last = lines[most_lines - 1]
    while last and font.getlength(f"{last}…") > width:
        last = last[:-1]
    return [*lines[: most_lines - 1], f"{last}…"]


def _break(word: str, font: Font, width: int) -> list[str]:
    """A word in pieces that fit into a line; most words are one."""
    if font.getlength(word) <= width:
        return [word]
    size = max(1, math.floor(len(word) * width / font.getlength(word) * 0.8))
    return [word[start : start + size] for start in range(0, len(word), size)]


def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _draw_scale(page: Image.Image, top: int, low: float, high: float) -> None:
    ramp = Image.fromarray(_ramp(np.linspace(0, 1, page.width)[None]))
    page.paste(ramp.resize((page.width, 18)), (0, top))
    font, text = _font(24), f"{high:.3g}"
    _write(page, (6, top + 24), [f"{low:.3g}"], _INK, 24, 0)
    right = page.width - 6 - math.ceil(font.getlength(text))
    _write(page, (right, top + 24), [text], _INK, 24, 0)


_STOPS = np.array([(38, 20, 84), (62, 74, 137), (38, 130, 142), (110, 206, 88), (253, 231, 37)])
"""Dark blue, blue, teal, green, yellow: lightness rises evenly, also without colour vision."""


def _ramp(shares: Float[np.ndarray, "row col"]) -> NDArray[np.uint8]:
    """Colours of numbers from 0 to 1; white for what is no number."""
    position = np.clip(np.nan_to_num(shares, posinf=0, neginf=0), 0, 1) * (len(_STOPS) - 1)
    steps = np.arange(len(_STOPS))
    channels = [np.interp(position, steps, _STOPS[:, index]) for index in range(3)]
    colours = np.stack(channels, axis=-1)
    colours[~np.isfinite(shares)] = 255
    return colours.astype(np.uint8)
