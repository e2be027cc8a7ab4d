"""What happens to a picture's size and shape before a model sees it: four policies.

    FixedResizeConfig        any picture becomes height x width; the aspect ratio is not kept
    PadToSquareConfig        padded to a square in a mean colour, then resized (LLaVA-1.5)
    ShortestEdgeCropConfig   shortest edge resized, then the centre square cut out (CLIP)
    NativeResizeConfig       own size and shape, rounded to whole patches, within a pixel budget
                             (Qwen2-VL)

`target_size` is arithmetic on the picture's size, so tokens can be counted without any pixels.
`apply` also returns the transform it made, so that boxes and points can find their way back.

LLaVA-1.5: https://arxiv.org/abs/2310.03744
CLIP: https://arxiv.org/abs/2103.00020
Qwen2-VL, section 2.1 (naive dynamic resolution): https://arxiv.org/abs/2409.12191
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PIL import Image

from triptych.errors import ConfigError, MediaError
from triptych.media.opening import Picture

Interpolation: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]

RESAMPLING: Mapping[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transform:
    """Where each point of the original picture went: multiplied by a scale, then shifted.

    Coordinates are continuous, in pixels from the top left corner: 0 is the left edge of the
    first pixel, `width` the right edge of the last. A model point on padding leads outside the
    original picture, and an original point that was cropped away outside the model's.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    original_height: int
    original_width: int
    model_height: int
    model_width: int

    def to_model(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the original picture lies in the model's picture."""
        return x * self.scale_x + self.offset_x, y * self.scale_y + self.offset_y

    def to_original(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the model's picture lies in the original."""
        return (x - self.offset_x) / self.scale_x, (y - self.offset_y) / self.scale_y


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedResizeConfig:
    """Every picture becomes one size; wide and tall ones are distorted."""

    height: int
    """In pixels."""

    width: int
    """In pixels."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(height=self.height, width=self.width)
        check_interpolation(self.interpolation)

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of this height and width is given."""
        check_picture_size(height, width)
        return self.height, self.width

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and how it was made."""
        return stretch(picture, self.height, self.width, self.interpolation)


@dataclass(frozen=True, kw_only=True, slots=True)
class PadToSquareConfig:
    """Nothing is cut off or distorted: the shorter side is padded on both ends first."""

    size: int
    """Side of the square, in pixels."""

    colour: tuple[int, int, int] = (122, 116, 104)
    """Of the padding; the default is CLIP's mean colour, so padding is about zero to the model."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(size=self.size)
        check_interpolation(self.interpolation)
        if not all(0 <= value <= 255 for value in self.colour):
            raise ConfigError(f"colour is red, green, blue from 0 to 255, got {self.colour}")

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of this height and width is given."""
        check_picture_size(height, width)
        return self.size, self.size

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The padded and resized picture, and how it was made."""
        side = max(picture.height, picture.width)
        # An odd pixel of padding goes to the right or the bottom.
        left, top = (side - picture.width) // 2, (side - picture.height) // 2
        square = Image.new("RGB", (side, side), self.colour)
        square.paste(picture.rgb, (left, top))
        scale = self.size / side
        return _resize(square, self.size, self.size, self.interpolation), Transform(
            scale_x=scale,
            scale_y=scale,
            offset_x=left * scale,
            offset_y=top * scale,
            original_height=picture.height,
            original_width=picture.width,
            model_height=self.size,
            model_width=self.size,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortestEdgeCropConfig:
    """Only the centre square is seen; whatever lies at the ends of the longer side is lost."""

    size: int
    """Side of the square, in pixels."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(size=self.size)
        check_interpolation(self.interpolation)

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of this height and width is given."""
        check_picture_size(height, width)
        return self.size, self.size

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized and cropped picture, and how it was made."""
        shorter = min(picture.height, picture.width)
        height = int(self.size * picture.height / shorter)
        width = int(self.size * picture.width / shorter)
        # Half a pixel too many goes to the right or the bottom, as in the published processors; the
        # original preprocessing rounded to the even number.
        top, left = (height - self.size) // 2, (width - self.size) // 2
        resized, transform = stretch(picture, height, width, self.interpolation)
        box = (left, top, left + self.size, top + self.size)
        return resized.crop(box), Transform(
            scale_x=transform.scale_x,
            scale_y=transform.scale_y,
            offset_x=-float(left),
            offset_y=-float(top),
            original_height=picture.height,
            original_width=picture.width,
            model_height=self.size,
            model_width=self.size,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeResizeConfig:
    """A picture keeps about its own size and shape; only budget and rounding change it."""

    factor: int = 28
    """Both sides become multiples of this many pixels: patch size times the connector's merge."""

    min_pixels: int = 56 * 56
    """Smaller pictures are enlarged to at least this area."""

    max_pixels: int = 1280 * 28 * 28
    """Larger pictures are reduced to at most this area; each `factor` squared is one token."""

    max_aspect: float = 200.0
    """Longest side over shortest; more elongated pictures are refused."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(factor=self.factor, min_pixels=self.min_pixels)
        check_interpolation(self.interpolation)
        if self.max_pixels < max(self.min_pixels, self.factor**2):
            raise ConfigError(
                f"max_pixels must be at least min_pixels ({self.min_pixels}) and one token "
                f"({self.factor**2} pixels), got {self.max_pixels}"
            )
        if not self.max_aspect >= 1:
            raise ConfigError(f"max_aspect must be at least 1, got {self.max_aspect}")

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of this height and width is given.

        Each side is rounded to the nearest multiple of `factor`, halves to the even multiple;
        only where the area then breaks a bound are both sides scaled first, and rounded towards
        the bound.

        Raises:
            MediaError: the picture is more elongated than `max_aspect`.
        """
        check_picture_size(height, width)
        if max(height, width) / min(height, width) > self.max_aspect:
            raise MediaError(
                f"a picture of {width} x {height} pixels is too elongated: at most "
                f"{self.max_aspect:g} to 1 is allowed; crop it"
            )
        factor = self.factor
        rows, cols = round(height / factor), round(width / factor)
        if rows * cols * factor**2 > self.max_pixels:
            shrink = math.sqrt(height * width / self.max_pixels)
            rows = max(1, math.floor(height / shrink / factor))
            cols = max(1, math.floor(width / shrink / factor))
        elif rows * cols * factor**2 < self.min_pixels:
            enlarge = math.sqrt(self.min_pixels / (height * width))
            rows = math.ceil(height * enlarge / factor)
            cols = math.ceil(width * enlarge / factor)
        return rows * factor, cols * factor

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and how it was made."""
        height, width = self.target_size(picture.height, picture.width)
        return stretch(picture, height, width, self.interpolation)


ResizeConfig: TypeAlias = (
    FixedResizeConfig | PadToSquareConfig | ShortestEdgeCropConfig | NativeResizeConfig
)
"""Every resize policy there is. Each has `target_size(height, width)` and `apply(picture)`."""


def stretch(
    picture: Picture, height: int, width: int, interpolation: Interpolation
) -> tuple[Image.Image, Transform]:
    """The picture brought to a size, whatever its shape, and how."""
    return _resize(picture.rgb, height, width, interpolation), Transform(
        scale_x=width / picture.width,
        scale_y=height / picture.height,
        offset_x=0.0,
        offset_y=0.0,
        original_height=picture.height,
        original_width=picture.width,
        model_height=height,
        model_width=width,
    )


def _resize(
    image: Image.Image, height: int, width: int, interpolation: Interpolation
) -> Image.Image:
    return image.resize((width, height), RESAMPLING[interpolation])


def check_positive(**values: int) -> None:
    """Refuse numbers below one, by their names.

    Raises:
        ConfigError: names the first.
    """
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")


def check_interpolation(interpolation: str) -> None:
    """Refuse an interpolation that Pillow does not offer.

    Raises:
        ConfigError: lists those that it does.
    """
    if interpolation not in RESAMPLING:
        raise ConfigError(f"interpolation is {interpolation!r}; known: {', '.join(RESAMPLING)}")


def check_picture_size(height: int, width: int) -> None:
    """Refuse a picture without pixels.

    Raises:
        MediaError: a side is below one.
    """
    if height < 1 or width < 1:
        raise MediaError(f"a picture of {width} x {height} pixels has nothing to show")
