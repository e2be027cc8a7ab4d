"""Questions about drawn pictures, with answers that are known to be true."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from triptych.geometry import Box, Point, Polygon

# -- what a right answer is -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """One of a few texts; compared without regard to case, spaces and a final stop."""

    accepted: tuple[str, ...]
    """The first is the one that is trained on."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, with a relative tolerance."""

    value: float
    tolerance: float = 0.0
    """Largest |answer - value| / |value| that counts as right; 0.05 is ChartQA's relaxed rule."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Objects to be boxed, each with its label; one, or all there are of a kind."""

    boxes: tuple[tuple[str, Box], ...]
    """An empty label where none is asked for."""


@dataclass(frozen=True, slots=True)
class Places:
    """Objects of which one is to be pointed at."""

    outlines: tuple[Polygon, ...]
    """A point inside any of them is right."""


@dataclass(frozen=True, slots=True)
class Structure:
    """A JSON value whose fields are compared one by one."""

    value: Any


Truth: TypeAlias = Words | Number | Boxes | Places | Structure
"""Every kind of right answer; `evaluate.answers` judges by it."""

# -- what is said ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoxPart:
    """A box inside an answer."""

    box: Box
    label: str = ""


@dataclass(frozen=True, slots=True)
class PointPart:
    """A point inside an answer."""

    point: Point
    label: str = ""


AnswerPart: TypeAlias = str | BoxPart | PointPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question with its answer."""

    kind: str
    """What is asked, `world/kind` like `scenes/count`; one wording list belongs to each."""

    text: str
    """As a person would write it."""

    answer: tuple[AnswerPart, ...]
    """As the model should answer it; boxes and points in pixels of the picture."""

    truth: Truth
    """What counts as right."""

    tags: Mapping[str, str | int | float | bool] = field(default_factory=dict[str, Any])
    """Facts about the question that evaluation selects by: which negatives, how many, how high."""
