"""Pictures that become one square (PaliGemma, GIT, Kosmos-2) are the reference's in any shape."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.media import (
    FixedResizeConfig,
    PixelConfig,
    ShortestEdgeCropConfig,
    open_image,
    to_pixels,
)
from triptych.vision import CLIP_MEAN, CLIP_STD

pytest.importorskip("transformers")

PIXEL_TOLERANCE = 1e-6
"""Measured worst case over 400 sizes: 4.8e-7; they round in another order."""


def sizes() -> list[tuple[int, int]]:
    """Ordinary ones, tiny ones, and up to 180 times as long as wide."""
    draw = random.Random(0)
    drawn = [(draw.randint(2, 300), draw.randint(2, 300)) for _ in range(80)]
    drawn += [(draw.randint(2, 12), draw.randint(2, 12)) for _ in range(20)]
    drawn += [(draw.randint(5, 12), draw.randint(200, 900)) for _ in range(20)]
    return drawn + [(width, height) for height, width in drawn[-20:]]


@pytest.mark.parametrize("kind", ["crop", "stretch"])
def test_squares_are_those_of_the_published_processors(kind):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    if kind == "crop":
        policy, colours = ShortestEdgeCropConfig(size=40), PixelConfig(mean=CLIP_MEAN, std=CLIP_STD)
        reference = CLIPImageProcessorPil(
            size={"shortest_edge": 40}, crop_size={"height": 40, "width": 40}
        )
    else:
        half = (0.5, 0.5, 0.5)
        policy, colours = FixedResizeConfig(height=40, width=40), PixelConfig(mean=half, std=half)
        reference = SiglipImageProcessorPil(size={"height": 40, "width": 40}, resample=3)
    for index, (height, width) in enumerate(sizes()):
        noise = np.random.default_rng(index).integers(0, 255, (height, width, 3), dtype=np.uint8)
        mine = to_pixels(policy.apply(open_image(noise))[0], colours)
        theirs = torch.tensor(reference(images=[Image.fromarray(noise)])["pixel_values"][0])
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() <= PIXEL_TOLERANCE, (height, width)
