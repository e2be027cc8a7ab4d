"""Lines of text know what they cover; grain is fine and repeatable."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from triptych.data.worlds.fonts import FONTS
from triptych.data.worlds.lettering import (
    Lettering,
    add_grain,
    largest_fitting,
    overlapping,
    text_width,
)


@pytest.mark.parametrize("name", FONTS)
@pytest.mark.parametrize("anchor", ["lm", "rm", "mm"])
def test_a_box_holds_every_drawn_pixel_and_touches_the_letters(name, anchor):
    line = Lettering(text="Total 12.50", x=100.0, y=30.0, anchor=anchor, font=name, size=13)
    image = Image.new("L", (200, 60), 255)
    line.draw(ImageDraw.Draw(image), fill=0)
    left, top, right, bottom = Image.eval(image, lambda value: 255 - value).getbbox()
    box = line.box
    assert box.left <= left and right <= box.right
    assert box.top <= top and bottom <= box.bottom
    assert box.width - (right - left) <= 3 and box.height - (bottom - top) <= 3


def test_texts_that_cover_each_other_are_found():
    first = Lettering(text="one", x=10.0, y=10.0)
    assert overlapping([first, Lettering(text="two", x=20.0, y=12.0)]) == [("one", "two")]
    assert overlapping([first, Lettering(text="two", x=60.0, y=12.0)]) == []


def test_the_largest_size_that_fits_is_taken():
    wide = text_width("Brookfield", "sans", 14)
    assert largest_fitting("Brookfield", "sans", wide, (14, 12)) == 14
    assert largest_fitting("Brookfield", "sans", wide - 1, (14, 12)) == 12
    assert largest_fitting("Brookfield", "sans", 1.0, (14, 12)) == 12


def test_grain_is_bounded_grey_and_repeatable():
    plain = Image.new("RGB", (50, 40), (120, 130, 140))
    grained = np.asarray(add_grain(plain, 7, 5)).astype(int) - (120, 130, 140)
    assert grained.min() == -5 and grained.max() == 5
    assert (grained[..., 0] == grained[..., 1]).all()
    assert abs(grained.mean()) < 0.3
    assert add_grain(plain, 7, 5).tobytes() == add_grain(plain, 7, 5).tobytes()
    assert add_grain(plain, 7, 5).tobytes() != add_grain(plain, 8, 5).tobytes()


def test_no_grain_leaves_every_pixel():
    plain = Image.new("L", (5, 4), 255)
    assert add_grain(plain, 7, 0).tobytes() == plain.tobytes()
