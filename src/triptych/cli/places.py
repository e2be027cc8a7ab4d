"""Boxes and points that were found, as people and programs read them."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from triptych.cli.tables import print_note
from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.geometry import Box, Point
from triptych.media import Picture, check_ending, draw_boxes, draw_points, save_picture
from triptych.tasks import Assistant
from triptych.text import Located


def search(
    kind: Literal["box", "point"],
    picture: Path,
    phrase: str,
    out: Path | None,
    prompt: str | None,
    options: GenerationOptions,
    *,
    open_assistant: Callable[[], Assistant],
    as_json: bool,
) -> None:
    """Find a phrase in a picture as boxes or as points, draw them and print them."""
    target = target_of(picture, out, "located" if kind == "box" else "pointed")
    assistant = open_assistant()
    opened = assistant.open(picture)
    find = assistant.locate if kind == "box" else assistant.point
    found = find(opened, phrase, options, prompt=prompt)
    report_places(picture, opened, phrase, found, target, assistant.note([opened]), as_json)


def target_of(picture: Path, out: Path | None, done: str) -> Path:
    """Where to draw what is found: as named, or beside nothing of the picture's own.

    Raises:
        UsageError: the name does not say which kind of picture to write, or is the picture's own.
    """
    target = Path(f"{picture.stem}.{done}.png") if out is None else out
    check_ending(target)
    if target.resolve() == picture.resolve():
        raise UsageError(f"--out {target} is the picture itself; name another file")
    return target


def report_places(
    path: Path,
    picture: Picture,
    phrase: str,
    found: Sequence[Located],
    target: Path,
    note: str,
    as_json: bool,
) -> None:
    """Draw and print what was found, with a label and whole pixels a line."""
    if found:
        _draw(picture, found, target)
    if as_json:
        told: dict[str, object] = {
            "picture": str(path),
            "phrase": phrase,
            "found": [_plain(each) for each in found],
            "drawn": str(target) if found else None,
        }
        print(json.dumps(told | ({"note": note} if note else {})))
        return
    for each in found:
        print(f"{each.label}: {', '.join(f'{number:.0f}' for number in _numbers(each.place))}")
    print_note(note)
    if found:
        print(f"drawn: {target}", file=sys.stderr)
    else:
        print(f"nothing was found for {phrase!r}", file=sys.stderr)


def _draw(picture: Picture, found: Sequence[Located], target: Path) -> None:
    boxes = [(each.place, each.label) for each in found if isinstance(each.place, Box)]
    points = [(each.place, each.label) for each in found if isinstance(each.place, Point)]
    save_picture(draw_points(draw_boxes(picture.rgb, boxes), points), target)


def _plain(located: Located) -> dict[str, object]:
    kind = "box" if isinstance(located.place, Box) else "point"
    return {"label": located.label, kind: _numbers(located.place)}


def _numbers(place: Box | Point) -> list[float]:
    if isinstance(place, Point):
        return [place.x, place.y]
    return [place.left, place.top, place.right, place.bottom]
