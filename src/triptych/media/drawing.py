"""Pictures for people: a sheet of captioned pictures, and values laid over a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

INK, FAINT, RULE, PAPER = (28, 30, 34), (120, 126, 136), (226, 229, 234), (255, 255, 255)
LABEL_COLOURS = ((160, 96, 30), (24, 108, 72), (70, 84, 140))
"""Colours of the first, second and third label of a row."""

MARGIN, THUMBNAIL, TEXT_WIDTH, TEXT_SIZE = 28, 200, 620, 17


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
    """A page with one picture a row and its labelled texts on the right."""
    font = ImageFont.load_default(TEXT_SIZE)
    heights = [max(THUMBNAIL, _text_height(row, font)) + MARGIN for row in rows]
    width = 3 * MARGIN + THUMBNAIL + TEXT_WIDTH
    page = Image.new("RGB", (width, sum(heights) + 3 * MARGIN), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN), title, INK, ImageFont.load_default(22))
    top = 3 * MARGIN
    for row, height in zip(rows, heights, strict=True):
        pen.line((MARGIN, top - MARGIN // 2, width - MARGIN, top - MARGIN // 2), RULE)
        thumbnail = row.picture.copy()
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        if max(row.picture.size) < THUMBNAIL:
            scale = THUMBNAIL / max(row.picture.size)
            size = (int(row.picture.width * scale), int(row.picture.height * scale))
            thumbnail = row.picture.resize(size, Image.Resampling.NEAREST)
        page.paste(thumbnail, (MARGIN, top))
        _write(pen, row, (2 * MARGIN + THUMBNAIL, top), font)
        top += height
    return page


def _text_height(row: SheetRow, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    wrapped = sum(len(_wrap(line.text, font)) for line in row.lines)
    return int((wrapped + 1.35 * len(row.lines)) * TEXT_SIZE * 1.35)


def _write(
    pen: ImageDraw.ImageDraw,
    row: SheetRow,
    corner: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, top = corner
    step = int(TEXT_SIZE * 1.35)
    for number, line in enumerate(row.lines):
        colour = LABEL_COLOURS[number % len(LABEL_COLOURS)]
        pen.text((left, top), line.label, colour, ImageFont.load_default(13))
        top += TEXT_SIZE
        for words in _wrap(line.text, font):
            pen.text((left, top), words, INK, font)
            top += step
        top += step // 3


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    lines: list[str] = []
    current = ""
    for word in text.split() or ["(nothing)"]:
        longer = f"{current} {word}".strip()
        if current and font.getlength(longer) > TEXT_WIDTH:
            lines.append(current)
            current = word
        else:
            current = longer
    # An endless answer must not make an endless page.
    return [*lines, current][:5]


def overlay_heatmap(
    picture: Image.Image, values: Float[np.ndarray, "row col"], strength: float = 0.6
) -> Image.Image:
    """The picture with one translucent colour a cell, dark blue (smallest) to yellow (largest).

    The scale under it says what the ends stand for.
    """
    width = max(picture.width, 448)
    height = round(picture.height * width / picture.width)
    base = picture.resize((width, height), Image.Resampling.LANCZOS)
    low, high = float(values.min()), float(values.max())
    shares = (values - low) / max(high - low, 1e-12)
    colours = Image.fromarray(_colours(shares)).resize((width, height), Image.Resampling.NEAREST)
    page = Image.new("RGB", (width, height + 40), PAPER)
    page.paste(Image.blend(base, colours, strength), (0, 0))
    ramp = Image.fromarray(_colours(np.linspace(0, 1, width)[None])).resize((width, 12))
    page.paste(ramp, (0, height + 4))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    pen.text((4, height + 20), f"{low:.3g}", FAINT, font)
    text = f"{high:.3g}"
    pen.text((width - 4 - font.getlength(text), height + 20), text, FAINT, font)
    return page


_RAMP = np.array([(38, 20, 84), (62, 74, 137), (38, 130, 142), (110, 206, 88), (253, 231, 37)])


def _colours(shares: "Float[np.ndarray, 'row col']") -> "np.ndarray":
    position = np.clip(shares, 0, 1) * (len(_RAMP) - 1)
    channels = [np.interp(position, np.arange(len(_RAMP)), _RAMP[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
