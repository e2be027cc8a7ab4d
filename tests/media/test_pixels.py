"""Colours to numbers and back."""

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.errors import ConfigError, ShapeError
from triptych.media import (
    PixelConfig,
    to_picture,
    to_pixels,
)
from triptych.vision.sizes import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD

HALF_PIXELS = PixelConfig(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
CLIP_PIXELS = PixelConfig(mean=CLIP_MEAN, std=CLIP_STD)
IMAGENET_PIXELS = PixelConfig(mean=IMAGENET_MEAN, std=IMAGENET_STD)


def test_numbers_lie_channel_by_channel_then_row_by_row():
    image = Image.new("RGB", (3, 2))
    image.putpixel((2, 1), (255, 128, 0))
    pixels = to_pixels(image, PixelConfig(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    assert pixels.shape == (3, 2, 3) and pixels.dtype == torch.float32 and pixels.is_contiguous()
    assert pixels[:, 1, 2].tolist() == pytest.approx([1, 128 / 255, 0])
    assert pixels.sum().item() == pytest.approx(1 + 128 / 255)


def test_half_is_minus_one_to_one():
    pixels = to_pixels(Image.fromarray(np.array([[[0, 255, 51]]], np.uint8)), HALF_PIXELS)
    assert pixels.flatten().tolist() == pytest.approx([-1, 1, -0.6])


def test_mean_and_spread_belong_to_their_own_colour():
    image = Image.new("RGB", (1, 1), (255, 0, 255))
    expected = [(1 - CLIP_MEAN[0]) / CLIP_STD[0], -CLIP_MEAN[1] / CLIP_STD[1]]
    expected.append((1 - CLIP_MEAN[2]) / CLIP_STD[2])
    assert to_pixels(image, CLIP_PIXELS).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("config", [CLIP_PIXELS, IMAGENET_PIXELS, HALF_PIXELS])
def test_every_colour_comes_back(config):
    values = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 7)], -1).astype(np.uint8)
    image = Image.fromarray(values[None])
    assert np.array_equal(np.asarray(to_picture(to_pixels(image, config), config)), values[None])


def test_numbers_beyond_colours_are_clipped():
    pixels = torch.tensor([-9.0, -1 / 255, 9.0]).reshape(3, 1, 1)
    assert to_picture(pixels, HALF_PIXELS).getpixel((0, 0)) == (0, 127, 255)


def test_other_modes_are_refused():
    with pytest.raises(ShapeError, match="got mode L"):
        to_pixels(Image.new("L", (2, 2)), HALF_PIXELS)


@pytest.mark.parametrize("wrong", [{"std": (0.0, 1.0, 1.0)}, {"scale": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError, match="positive"):
        PixelConfig(**{"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), **wrong})
