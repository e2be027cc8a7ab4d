"""Pictures and files that tests of readers write."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_picture(path: Path, width: int = 48, height: int = 32, number: int = 0) -> Path:
    """A picture of noise, in the format of its ending; each number is another."""
    noise = np.random.default_rng(number).integers(0, 255, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path)
    return path


def write_json(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_lines(path: Path, *values: object) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path
