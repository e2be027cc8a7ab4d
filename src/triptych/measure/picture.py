"""A picture to measure with where none is given: as hard to decode as a photograph is."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.media import open_image, save_picture

_WAVES = 12
"""Of one colour each, in all directions, over which lies a grain."""

_GRAIN = 6.0
"""Its standard deviation, of 255; about that of a small camera."""


def write_picture(path: Path, width: int, height: int, *, seed: int = 0) -> Path:
    """Write a picture of soft colours with a grain as the kind that the ending says.

    Raises:
        UsageError: there is no such kind.
        MediaError: it is larger than is ever opened.
        OSError: the place cannot be written to.
    """
    save_picture(open_image(_colours(width, height, seed)).rgb, path)
    return path


def _colours(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    light = random.normal(128, _GRAIN, (height, width, 3))
    for _ in range(_WAVES):
        turns, shift = random.normal(0, 6, 2), random.uniform(0, 2 * np.pi)
        wave = np.sin(2 * np.pi * (turns[0] * across + turns[1] * down) + shift)
        light += wave[..., None] * random.normal(0, 20, 3)
    return np.clip(light, 0, 255).astype(np.uint8)
