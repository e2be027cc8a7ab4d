"""Colours to numbers and back."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from triptych.errors import ConfigError

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelConfig:
    """number = (colour / 255 - mean) / std, for each of red, green and blue."""

    mean: Triple
    """Subtracted from colours in 0..1."""

    std: Triple
    """Divided by after that."""

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise ConfigError(f"std must be above 0 in every channel, got {self.std}")


def to_pixels(image: Image.Image, config: PixelConfig) -> Float[Tensor, "channel height width"]:
    """An RGB picture as numbers."""
    colours = torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(each)[:, None, None] for each in (config.mean, config.std))
    return ((colours - mean) / std).contiguous()


def to_image(pixels: Float[Tensor, "channel height width"], config: PixelConfig) -> Image.Image:
    """Numbers as an RGB picture; the inverse of `to_pixels` up to rounding."""
    mean, std = (torch.tensor(each)[:, None, None] for each in (config.mean, config.std))
    colours = (pixels * std + mean).clamp(0, 1) * 255
    return Image.fromarray(colours.round().byte().permute(1, 2, 0).numpy())
