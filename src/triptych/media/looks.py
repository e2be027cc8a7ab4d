"""How a picture looks, in a few bytes, to find copies of it: a difference hash and its colour.

The picture is shrunk to 17 x 16 greys; each of 256 bits says whether a grey is lighter than the one
on its left. Copies that were resized, compressed again or made a little lighter keep almost all
bits (after N. Krawetz, "Kind of like that", 2013, with four times its bits).
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.media.opening import Picture

NUM_BITS = 256

MAX_BITS, MAX_COLOUR = 24, 12
"""Two pictures look alike up to so many unequal bits, and so many of 255 levels between their mean
reds, greens and blues. Of 150 photographs of Flickr8k, copies at half the size and JPEG quality 60
differ in 18 bits at most (median 6), and different ones in 61 at least."""

_STEP = 3
"""Levels by which a grey must be lighter; what is less is noise on an even surface."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one picture looks."""

    bits: int
    """256 of them, row by row."""
    colour: tuple[int, int, int]
    """Mean red, green and blue, 0 to 255."""

    def is_like(self, other: "Look") -> bool:
        """Whether two pictures look alike."""
        unequal = (self.bits ^ other.bits).bit_count()
        pairs = zip(self.colour, other.colour, strict=True)
        return unequal <= MAX_BITS and all(abs(a - b) <= MAX_COLOUR for a, b in pairs)


def look_of(picture: Picture) -> Look:
    """How a picture looks, whatever its size."""
    small = picture.rgb.resize((17, 16), Image.Resampling.BOX, reducing_gap=3.0)
    greys = np.asarray(small.convert("L"), dtype=np.int16)
    bits = np.packbits(greys[:, 1:] - greys[:, :-1] >= _STEP)
    means = cast(NDArray[np.float64], np.asarray(small, dtype=np.float64).mean(axis=(0, 1)))
    red, green, blue = (round(float(each)) for each in means)
    return Look(int.from_bytes(bits.tobytes(), "big"), (red, green, blue))
