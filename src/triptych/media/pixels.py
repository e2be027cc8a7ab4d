"""Colours as the numbers a vision panel expects, and back again for people to look at."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from triptych.errors import ConfigError, ShapeError


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelConfig:
    """number = (colour * scale - mean) / std, for red, green and blue."""

    mean: tuple[float, float, float]
    """Of each colour over the pictures the vision panel was trained on, on a scale of 0..1."""

    std: tuple[float, float, float]
    """Spread of each colour over those pictures."""

    scale: float = 1 / 255
    """What a colour of 0..255 is multiplied by first."""

    def __post_init__(self) -> None:
        if min(self.std) <= 0 or self.scale <= 0:
            raise ConfigError(f"std and scale must be positive, got {self.std} and {self.scale}")


def to_pixels(image: Image.Image, config: PixelConfig) -> Float[Tensor, "channel height width"]:
    """An RGB picture as normalised float32 numbers, channels in the order red, green, blue."""
    if image.mode != "RGB":
        raise ShapeError(f"pixels are made from RGB pictures, got mode {image.mode}; convert it")
    colours = torch.as_tensor(np.array(image)).permute(2, 0, 1).to(torch.float32)
    mean, std = _per_channel(config)
    return ((colours * config.scale - mean) / std).contiguous()


def to_picture(pixels: Float[Tensor, "channel height width"], config: PixelConfig) -> Image.Image:
    """The picture that `to_pixels` was given; numbers outside the range of colours are clipped."""
    mean, std = _per_channel(config)
    colours = (pixels.detach().to("cpu", torch.float32) * std + mean) / config.scale
    rounded = colours.round().clamp(0, 255).to(torch.uint8)
    return Image.fromarray(rounded.permute(1, 2, 0).contiguous().numpy())


def _per_channel(
    config: PixelConfig,
) -> tuple[Float[Tensor, "channel 1 1"], Float[Tensor, "channel 1 1"]]:
    mean, std = torch.tensor(config.mean), torch.tensor(config.std)
    return mean[:, None, None], std[:, None, None]
