"""What happens to a picture's size before a vision panel sees it, and the way back.

    fixed            stretched to one size                          ViT, BLIP-2, Qwen-VL
    pad to square    padded with the mean colour, then resized      LLaVA-1.5
    native           its own size, to a multiple of the patch       Qwen2-VL
    shortest edge    shortest edge to a size, centre cut out        CLIP

Every policy also records where pixels went, so that a box in the model's picture can be told in
pixels of the original.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PIL import Image

from triptych.errors import ConfigError, MediaError
from triptych.media.opening import Picture

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]

MAX_ASPECT = 200
"""Longest picture that native resizing takes, longer side over shorter side."""


@dataclass(frozen=True, slots=True)
class Transform:
    """Where a pixel of the original went: model = original * scale + offset."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    original: tuple[int, int]
    """Height and width before."""
    resized: tuple[int, int]
    """Height and width after."""

    def to_model(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of the original to pixels the model sees."""
        return x * self.scale_x + self.offset_x, y * self.scale_y + self.offset_y

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """Pixels the model sees to pixels of the original."""
        return (x - self.offset_x) / self.scale_x, (y - self.offset_y) / self.scale_y


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedResizeConfig:
    """Stretch every picture to one size."""

    height: int
    """In pixels."""

    width: int
    """In pixels."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made of old ones."""

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise ConfigError(f"a picture cannot be {self.height} x {self.width} pixels")

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after."""
        return self.height, self.width

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and where its pixels went."""
        return _stretch(picture, (self.height, self.width), self.interpolation)


@dataclass(frozen=True, kw_only=True, slots=True)
class PadToSquareConfig:
    """Pad the shorter side on both ends, then resize."""

    size: int
    """Side of the square, in pixels."""

    colour: tuple[int, int, int] = (122, 116, 104)
    """Of the padding; the default is CLIP's mean, so that it becomes about zero."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made of old ones."""

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after."""
        return self.size, self.size

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and where its pixels went."""
        side = max(picture.width, picture.height)
        left, top = (side - picture.width) // 2, (side - picture.height) // 2
        square = Image.new("RGB", (side, side), self.colour)
        square.paste(picture.rgb, (left, top))
        scale = self.size / side
        resized = square.resize((self.size, self.size), _FILTERS[self.interpolation])
        original = (picture.height, picture.width)
        return resized, Transform(
            scale, scale, left * scale, top * scale, original, (self.size, self.size)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeResizeConfig:
    """Keep size and shape, up to a multiple of `factor` and within bounds."""

    factor: int = 28
    """Both sides become multiples of this: patch size times merge factor."""

    min_pixels: int = 56 * 56
    """Smaller pictures are enlarged to this many pixels."""

    max_pixels: int = 1280 * 28 * 28
    """Larger pictures are reduced to this many pixels."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made of old ones."""

    def __post_init__(self) -> None:
        if not self.factor**2 <= self.min_pixels <= self.max_pixels:
            raise ConfigError(
                f"min_pixels {self.min_pixels} must lie between one patch of {self.factor}^2 and "
                f"max_pixels {self.max_pixels}"
            )

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after, see `smart_resize`."""
        return smart_resize(
            height,
            width,
            factor=self.factor,
            min_pixels=self.min_pixels,
            max_pixels=self.max_pixels,
        )

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and where its pixels went."""
        size = self.target_size(picture.height, picture.width)
        return _stretch(picture, size, self.interpolation)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortestEdgeCropConfig:
    """Bring the shortest edge to a size, then cut out the centre."""

    size: int
    """Side of the square, in pixels."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made of old ones."""

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after."""
        return self.size, self.size

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and where its pixels went."""
        short, long = sorted((picture.width, picture.height))
        long = int(self.size * long / short)
        is_wide = picture.width >= picture.height
        width, height = (long, self.size) if is_wide else (self.size, long)
        resized = picture.rgb.resize((width, height), _FILTERS[self.interpolation])
        left, top = (width - self.size) // 2, (height - self.size) // 2
        cut = resized.crop((left, top, left + self.size, top + self.size))
        return cut, Transform(
            width / picture.width,
            height / picture.height,
            -left,
            -top,
            (picture.height, picture.width),
            (self.size, self.size),
        )


ResizeConfig: TypeAlias = (
    FixedResizeConfig | PadToSquareConfig | NativeResizeConfig | ShortestEdgeCropConfig
)


def smart_resize(
    height: int, width: int, *, factor: int, min_pixels: int, max_pixels: int
) -> tuple[int, int]:
    """The multiple of `factor` nearest to both sides, scaled into the bounds (Qwen2-VL).

    Rounding is to the nearest even multiple on a tie, as the published models do it.

    Raises:
        MediaError: one side is more than 200 times the other.
    """
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise MediaError(
            f"a picture of {width} x {height} pixels is more than {MAX_ASPECT} times as long as "
            "wide; cut it into parts"
        )
    new_height = round(height / factor) * factor
    new_width = round(width / factor) * factor
    if new_height * new_width > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        new_height = max(factor, math.floor(height / shrink / factor) * factor)
        new_width = max(factor, math.floor(width / shrink / factor) * factor)
    elif new_height * new_width < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        new_height = math.ceil(height * grow / factor) * factor
        new_width = math.ceil(width * grow / factor) * factor
    return new_height, new_width


_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def _stretch(
    picture: Picture, size: tuple[int, int], interpolation: Interpolation
) -> tuple[Image.Image, Transform]:
    height, width = size
    resized = picture.rgb
    if (picture.height, picture.width) != size:
        resized = resized.resize((width, height), _FILTERS[interpolation])
    return resized, Transform(
        width / picture.width, height / picture.height, 0, 0, (picture.height, picture.width), size
    )
