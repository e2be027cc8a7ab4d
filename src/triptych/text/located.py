"""A thing and its place in a picture, in pixels of the original."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from triptych.errors import TokenError
from triptych.geometry import Box, Point

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Located:
    """A thing with its place in a picture."""

    place: Box | Point
    """In pixels of the original picture."""
    label: str = ""
    """What it is; empty when only the place is said."""


def located(part: Mapping[str, Any]) -> Located:
    """The thing that a box part or a point part of a message is about.

    Raises:
        TokenError: its numbers are not four, or two, finite pixels, or its label is no text.
        ShapeError: a box's right is left of its left, or its bottom above its top.
    """
    kind, label = part["type"], part.get("label", "")
    if not isinstance(label, str):
        raise TokenError(f"the label of a {kind} is {type(label).__name__}; give a text")
    place = part[kind]
    if isinstance(place, Box if kind == "box" else Point):
        return Located(place, label)
    names = ("left", "top", "right", "bottom") if kind == "box" else ("x", "y")
    numbers = numbers_of(place)
    if numbers is None or len(numbers) != len(names):
        raise TokenError(
            f"a {kind} is [{', '.join(names)}] in pixels of the original picture, got {place!r:.60}"
        )
    return Located(Box(*numbers) if kind == "box" else Point(*numbers), label)


def numbers_of(place: object) -> list[float] | None:
    """A list of finite numbers; None for anything else."""
    if not isinstance(place, list | tuple):
        return None
    values = cast(Sequence[object], place)
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    is_finite = len(numbers) == len(values) and all(map(math.isfinite, numbers))
    return numbers if is_finite else None


def corners(box: Box) -> list[tuple[float, float]]:
    """The upper left and the lower right one."""
    return [(box.left, box.top), (box.right, box.bottom)]
