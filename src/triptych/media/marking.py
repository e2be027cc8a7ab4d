"""Boxes and points drawn on a picture, for people to look at."""

from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw, ImageFont

from triptych.geometry import Box, Point

Colour = tuple[int, int, int]

_COLOURS: tuple[Colour, ...] = (
    (214, 40, 40),
    (20, 110, 210),
    (18, 138, 62),
    (168, 60, 180),
    (196, 100, 0),
    (0, 128, 136),
    (104, 74, 40),
    (90, 90, 200),
)
"""Told apart on most grounds; each is dark enough for white letters."""

_WHITE: Colour = (255, 255, 255)


def draw_boxes(picture: Image.Image, boxes: Sequence[tuple[Box, str]]) -> Image.Image:
    """A copy of the picture with boxes, in its pixels, each with its label on a plate.

    Equal labels have equal colours; an empty label gets no plate.
    """
    page = picture.convert("RGB")
    colours = _colours(label for _, label in boxes)
    width = _line_width(page)
    for box, label in boxes:
        corners = (box.left, box.top, max(box.left, box.right - 1), max(box.top, box.bottom - 1))
        # White on either side, so that the line shows on any ground.
        outer = (corners[0] - 1, corners[1] - 1, corners[2] + 1, corners[3] + 1)
        pen = ImageDraw.Draw(page)
        pen.rectangle(outer, outline=_WHITE, width=width + 2)
        pen.rectangle(corners, outline=colours[label], width=width)
    for box, label in boxes:
        _plate(page, label, box.left, box.top, colours[label])
    return page


def draw_points(picture: Image.Image, points: Sequence[tuple[Point, str]]) -> Image.Image:
    """A copy of the picture with points, in its pixels, as ringed dots with labels beside them."""
    page = picture.convert("RGB")
    colours = _colours(label for _, label in points)
    radius = 2 * _line_width(page) + 1
    for point, label in points:
        pen = ImageDraw.Draw(page)
        for reach, colour in ((radius + 2, _WHITE), (radius, colours[label]), (1, _WHITE)):
            pen.ellipse(
                (point.x - reach, point.y - reach, point.x + reach, point.y + reach), colour
            )
    for point, label in points:
        _plate(page, label, point.x + radius + 3, point.y - radius, colours[label])
    return page


def _plate(page: Image.Image, label: str, left: float, bottom: float, colour: Colour) -> None:
    """The label in white on its colour, above a corner where there is room, inside the picture."""
    if not label:
        return
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(_text_size(page))
    _, above, across, below = pen.textbbox((0, 0), label, font)
    width, height = round(across) + 6, round(below - above) + 5
    x = max(0, min(round(left), page.width - width))
    y = round(bottom) - height
    y = max(0, min(y if y >= 0 else round(bottom), page.height - height))
    pen.rectangle((x, y, x + width - 1, y + height - 1), colour)
    pen.text((x + 3, y + 2 - above), label, _WHITE, font)


def _colours(labels: Iterable[str]) -> dict[str, Colour]:
    """A colour for each label, in order of first appearance."""
    return {
        label: _COLOURS[index % len(_COLOURS)] for index, label in enumerate(dict.fromkeys(labels))
    }


def _line_width(page: Image.Image) -> int:
    return max(1, round(min(page.size) / 200))


def _text_size(page: Image.Image) -> int:
    return max(11, round(min(page.size) / 28))
