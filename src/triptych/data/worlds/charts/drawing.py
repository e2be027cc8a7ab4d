"""Draw a chart as it was laid out: marks at three times the size and reduced, letters on top."""

from PIL import Image, ImageDraw

from triptych.data.worlds.charts.facts import ChartFacts
from triptych.data.worlds.charts.layout import ChartLayout, colour_index, lay_out
from triptych.data.worlds.charts.palettes import PALETTE_COLOURS, THEME_COLOURS
from triptych.data.worlds.fonts import font
from triptych.data.worlds.lettering import Ink, Lettering, add_grain, font_size
from triptych.geometry import Box

_FINER = 3
# Edges are drawn on a canvas so many times as large, so that they come out smooth.


def draw_chart(facts: ChartFacts) -> Image.Image:
    """The picture of a chart."""
    layout, theme = lay_out(facts), THEME_COLOURS[facts.style.theme]
    width, height = facts.size
    canvas = Image.new("RGB", (width * _FINER, height * _FINER), theme.paper)
    pen = ImageDraw.Draw(canvas)
    if layout.ticks:
        _draw_axes(pen, facts, layout)
    _draw_marks(pen, facts, layout)
    for box, index in layout.swatches:
        _fill(pen, box, PALETTE_COLOURS[facts.style.palette][index])
    image = canvas.reduce(_FINER)
    pen = ImageDraw.Draw(image)
    for line in layout.texts:
        _write(pen, line, facts)
    return add_grain(image, facts.style.grain_seed, facts.style.grain)


def _draw_axes(pen: ImageDraw.ImageDraw, facts: ChartFacts, layout: ChartLayout) -> None:
    theme, plot = THEME_COLOURS[facts.style.theme], layout.plot
    for place in layout.ticks[1:]:
        if facts.horizontal:
            line = Box(place, plot.top, place, plot.bottom)
            tick = Box(place, plot.bottom, place, plot.bottom + 3)
        else:
            line = Box(plot.left, place, plot.right, place)
            tick = Box(plot.left - 3, place, plot.left, place)
        if facts.style.grid:
            _rule(pen, line, theme.grid)
        _rule(pen, tick, theme.ink)
    _rule(pen, Box(plot.left, plot.top, plot.left, plot.bottom), theme.ink)
    _rule(pen, Box(plot.left, plot.bottom, plot.right, plot.bottom), theme.ink)


def _draw_marks(pen: ImageDraw.ImageDraw, facts: ChartFacts, layout: ChartLayout) -> None:
    colours = PALETTE_COLOURS[facts.style.palette]
    for cell, bar in layout.bars.items():
        _fill(pen, bar, colours[colour_index(facts, cell)])
    for cell, (first, last) in layout.slices.items():
        pen.pieslice(
            _enlarge(layout.plot),
            first,
            last,
            fill=colours[colour_index(facts, cell)],
            outline=THEME_COLOURS[facts.style.theme].paper,
            width=_FINER,
        )
    if layout.points:
        for index in range(len(facts.series)):
            _draw_line(pen, layout, index, colours[index])


def _draw_line(pen: ImageDraw.ImageDraw, layout: ChartLayout, series: int, ink: Ink) -> None:
    corners = [point for cell, point in layout.points.items() if cell[0] == series]
    path = [(corner.x * _FINER, corner.y * _FINER) for corner in corners]
    pen.line(path, fill=ink, width=2 * _FINER, joint="curve")
    for corner in corners:
        dot = _enlarge(Box(corner.x - 3, corner.y - 3, corner.x + 3, corner.y + 3))
        if series == 0:
            pen.ellipse(dot, fill=ink)
        else:
            pen.rectangle(dot, fill=ink)


def _write(pen: ImageDraw.ImageDraw, line: Lettering, facts: ChartFacts) -> None:
    if facts.type == "pie":
        line.draw(pen)
        return
    # A rim in the colour of the paper keeps a value legible where a line passes by.
    pen.text(
        (line.x, line.y),
        line.text,
        fill=line.ink,
        font=font(line.font, font_size(line.font, line.size)),
        anchor=line.anchor,
        stroke_width=2,
        stroke_fill=THEME_COLOURS[facts.style.theme].paper,
    )


def _enlarge(box: Box) -> tuple[float, float, float, float]:
    return box.left * _FINER, box.top * _FINER, box.right * _FINER, box.bottom * _FINER


def _fill(pen: ImageDraw.ImageDraw, box: Box, ink: Ink) -> None:
    left, top, right, bottom = (round(side) for side in _enlarge(box))
    # Pillow's right and bottom are the last pixels filled, ours the edges.
    pen.rectangle((left, top, right - 1, bottom - 1), fill=ink)


def _rule(pen: ImageDraw.ImageDraw, box: Box, ink: Ink) -> None:
    """A line one pixel wide, on whole pixels so that it is sharp."""
    left, top = round(box.left) * _FINER, round(box.top) * _FINER
    right, bottom = round(box.right) * _FINER, round(box.bottom) * _FINER
    pen.rectangle((left, top, max(right, left + _FINER) - 1, max(bottom, top + _FINER) - 1), ink)
