"""Judge one answer by what is true.

    Words       equal to an accepted text, without regard to case, spaces and a final stop
    Number      within a relative tolerance of the value
    Boxes       every asked box matched one to one with IoU of at least one half
    Places      the first point inside an outline
    Structure   valid JSON; F1 over its fields

An answer that cannot be read as what was asked for is unparsed: wrong, and counted apart.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from triptych.data.worlds.question import Boxes, Number, Places, Structure, Truth, Words
from triptych.geometry import Box, Point, inside
from triptych.text import Located

MIN_IOU = 0.5
"""Overlap from which on a box counts as found."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said."""

    text: str
    """Without special tokens."""
    located: tuple[Located, ...] = ()
    """The boxes and points in it, in pixels of the picture."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How good an answer is."""

    score: float
    """1 for right, 0 for wrong; between them for structures, the F1 of their fields."""
    is_parsed: bool = True
    """False when the answer could not be read as what was asked for."""


UNPARSED = Verdict(0.0, is_parsed=False)


def judge(truth: Truth, said: Said) -> Verdict:
    """Compare what was said with what is true."""
    match truth:
        case Words():
            accepted = {plain(text) for text in truth.accepted}
            return Verdict(float(plain(said.text) in accepted), is_parsed=bool(said.text.strip()))
        case Number():
            return _judge_number(truth, said.text)
        case Boxes():
            return _judge_boxes([box for _, box in truth.boxes], said.located)
        case Places():
            return _judge_point(truth, said.located)
        case Structure():
            return _judge_structure(truth.value, said.text)


def plain(text: str) -> str:
    """A text without what does not matter when answers are compared."""
    return " ".join(text.lower().split()).rstrip(".")


def _judge_number(truth: Number, text: str) -> Verdict:
    try:
        value = float(text.strip().replace(",", "").rstrip("."))
    except ValueError:
        return UNPARSED
    if not math.isfinite(value):
        return UNPARSED
    room = truth.tolerance * abs(truth.value)
    return Verdict(float(abs(value - truth.value) <= room + 1e-9))


def _judge_boxes(wanted: Sequence[Box], located: Sequence[Located]) -> Verdict:
    found = [each.place for each in located if isinstance(each.place, Box)]
    if not found:
        return Verdict(1.0) if not wanted else UNPARSED
    return Verdict(float(len(found) == len(wanted) and all_matched(wanted, found)))


def all_matched(wanted: Sequence[Box], found: Sequence[Box]) -> bool:
    """Whether each wanted box has a found box of its own, by decreasing overlap."""
    pairs = sorted(
        ((a.iou(b), i, j) for i, a in enumerate(wanted) for j, b in enumerate(found)),
        reverse=True,
    )
    taken_wanted: set[int] = set()
    taken_found: set[int] = set()
    for overlap, i, j in pairs:
        if overlap >= MIN_IOU and i not in taken_wanted and j not in taken_found:
            taken_wanted.add(i)
            taken_found.add(j)
    return len(taken_wanted) == len(wanted)


def _judge_point(truth: Places, located: Sequence[Located]) -> Verdict:
    points = [each.place for each in located if isinstance(each.place, Point)]
    if not points:
        return UNPARSED
    return Verdict(float(any(inside(points[0], outline) for outline in truth.outlines)))


def _judge_structure(truth: Any, text: str) -> Verdict:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return UNPARSED
    return Verdict(field_f1(value, truth))


def field_f1(value: Any, truth: Any) -> float:
    """F1 over (path, text) pairs, each counted as often as it stands there; order of lists is free.

    Two values without any field agree (1.0). Donut's field accuracy: https://arxiv.org/abs/2111.15664
    """
    ours, theirs = Counter(fields(value)), Counter(fields(truth))
    shared = (ours & theirs).total()
    total = ours.total() + theirs.total()
    return 1.0 if total == 0 else 2 * shared / total


def fields(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a JSON value with their paths; places in lists are not told apart, and neither
    are capitals, because a heading may be set in them."""
    if isinstance(value, dict):
        for key, item in cast(dict[str, Any], value).items():
            yield from fields(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            yield from fields(item, f"{path}[]")
    else:
        yield path, plain(value) if isinstance(value, str) else json.dumps(value)
