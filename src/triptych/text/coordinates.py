"""Boxes and points as text: how models write places down, and how what they wrote is read.

    Box(64, 48, 320, 240) in 640 x 480   <->   <|box_start|>(100,100),(500,500)<|box_end|>
                                         <->   {"bbox_2d": [64, 48, 320, 240]}
                                         <->   <object><patch_index_0099><patch_index_0495></object>

People and programs hold places in pixels of the original picture; only here do they become a
model's own numbers. What a format writes is control but for the label, which is anybody's text.

Qwen-VL, section 2.2: https://arxiv.org/abs/2308.12966
Qwen2-VL, section 2.2: https://arxiv.org/abs/2409.12191
Qwen2.5-VL, section 2.2: https://arxiv.org/abs/2502.13923
Kosmos-2, section 2.1: https://arxiv.org/abs/2306.14824
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from triptych.errors import ConfigError
from triptych.geometry import Box, Point
from triptych.text.cells import CellsConfig
from triptych.text.located import Located, Size, corners
from triptych.text.marks import Segment
from triptych.text.pixels import PixelsConfig

_POINT = re.compile(r"\(\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*,\s*([+-]?\d{1,9}(?:\.\d{1,9})?)\s*\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ThousandthsConfig:
    """Whole thousandths of the picture's width and height, 0 to 999, between special tokens."""

    label_start: str = "<|object_ref_start|>"
    """In front of a label."""
    label_end: str = "<|object_ref_end|>"
    """Behind it."""
    box_start: str = "<|box_start|>"
    """In front of the corners of a box, or a point."""
    box_end: str = "<|box_end|>"
    """Behind them."""

    def __post_init__(self) -> None:
        if not all(self.special_tokens) or len(set(self.special_tokens)) < 4:
            raise ConfigError(
                f"coordinates need four different special tokens, got {self.special_tokens}"
            )

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """What the tokenizer must know."""
        return self.label_start, self.label_end, self.box_start, self.box_end

    @property
    def message_keys(self) -> Mapping[str, bool]:
        """What a message that asks for places says besides its text: nothing."""
        return {}

    def write(
        self, located: Located, width: int, height: int, seen: Size | None = None
    ) -> tuple[Segment, ...]:
        """The thing as the model writes it, for a picture of `width` x `height` pixels.

        Rounded to the nearest thousandth, so that reading it again is off by half a thousandth of
        a side, and at the far edges by a whole one. Outside of the picture becomes its edge. In
        which size the model sees it does not matter.
        """
        place, label = located.place, located.label
        points = [(place.x, place.y)] if isinstance(place, Point) else corners(place)
        numbers = ",".join(
            f"({_thousandths(x, width)},{_thousandths(y, height)})" for x, y in points
        )
        written = Segment(f"{self.box_start}{numbers}{self.box_end}", is_control=True)
        if not label:
            return (written,)
        return (
            Segment(self.label_start, is_control=True),
            Segment(label, is_control=False),
            Segment(self.label_end, is_control=True),
            written,
        )

    def read(self, text: str, width: int, height: int, seen: Size | None = None) -> list[Located]:
        """The places in a text, special tokens included, in order; in pixels of the original.

        Reads what models write: several boxes may follow one label, swapped corners are sorted,
        numbers beyond the picture become its edge, and whatever is malformed is skipped.
        """
        return list(self._read(self._split(text), width, height))

    def _split(self, text: str) -> list[str]:
        return re.split(f"({'|'.join(map(re.escape, self.special_tokens))})", text)

    def _read(self, pieces: Sequence[str], width: int, height: int) -> Iterator[Located]:
        """Texts stand at even indexes, special tokens at odd ones."""
        label = ""
        for index in range(1, len(pieces), 2):
            token, inner = pieces[index], pieces[index + 1]
            following = pieces[index + 2] if index + 2 < len(pieces) else ""
            if token == self.label_start:
                label = inner.strip() if following == self.label_end else ""
            elif token == self.box_start and following == self.box_end:
                place = _place(inner, width, height)
                if place is not None:
                    yield Located(place, label)
            elif inner.strip():  # other words in between: what follows has no label
                label = ""


CoordinateFormat: TypeAlias = ThousandthsConfig | PixelsConfig | CellsConfig
"""Every way of writing places there is, with `write`, `read`, `special_tokens`, `message_keys`."""


def _thousandths(pixels: float, side: int) -> int:
    return min(999, max(0, round(1000 * pixels / side)))


def _place(inner: str, width: int, height: int) -> Box | Point | None:
    """The box or point of `(x,y)` once or twice; None for anything else."""
    pairs = _POINT.findall(inner)
    if _POINT.sub("", inner).strip(" ,\n"):
        return None
    xs = [min(1.0, max(0.0, float(x) / 1000)) * width for x, _ in pairs]
    ys = [min(1.0, max(0.0, float(y) / 1000)) * height for _, y in pairs]
    if len(pairs) == 1:
        return Point(xs[0], ys[0])
    return Box(min(xs), min(ys), max(xs), max(ys)) if len(pairs) == 2 else None
