"""Print a document: letters in grey, the paper turned, then coloured by ink and tint."""

from PIL import Image, ImageDraw, ImageOps

from triptych.data.worlds.documents.facts import DocumentFacts
from triptych.data.worlds.documents.layout import Shade, lay_out
from triptych.data.worlds.lettering import Ink, Lettering, add_grain

TINT_COLOURS: dict[str, Ink] = {
    "white": (255, 255, 255),
    "ivory": (250, 244, 226),
    "grey": (228, 229, 231),
    "yellow": (253, 244, 184),
    "blue": (222, 234, 248),
    "pink": (250, 226, 228),
}
"""Of paper, by the names in `document_composing.TINTS`."""
INK_COLOURS: dict[str, Ink] = {
    "black": (18, 18, 20),
    "navy": (22, 32, 92),
    "brown": (74, 44, 24),
    "slate": (52, 60, 70),
}
"""By the names in `document_composing.INKS`."""


def draw_document(facts: DocumentFacts) -> Image.Image:
    """The picture of a document."""
    image = Image.new("L", facts.size, 255)
    pen = ImageDraw.Draw(image)
    for mark in lay_out(facts):
        if isinstance(mark, Lettering):
            mark.draw(pen, fill=mark.ink[0])
        else:
            _shade(pen, mark)
    if facts.page.angle:
        image = image.rotate(facts.page.angle, Image.Resampling.BICUBIC, fillcolor=255)
    image = add_grain(image, facts.page.grain_seed, facts.page.grain)
    tint, ink = TINT_COLOURS[facts.page.tint], INK_COLOURS[facts.page.ink]
    return ImageOps.colorize(image, black=ink, white=tint)


def _shade(pen: ImageDraw.ImageDraw, shade: Shade) -> None:
    box = shade.box
    # Pillow's right and bottom are the last pixels filled, ours the edges.
    if not shade.dashed:
        pen.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=shade.grey)
        return
    x = box.left
    while x < box.right:
        pen.rectangle((x, box.top, min(x + 4, box.right) - 1, box.bottom - 1), fill=shade.grey)
        x += 7
