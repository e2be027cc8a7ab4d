"""Places as pixels in JSON: how Qwen2.5-VL writes boxes and points.

Qwen2.5-VL, section 2.2: https://arxiv.org/abs/2502.13923
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from triptych.errors import ConfigError
from triptych.geometry import Box, Point
from triptych.text.located import Located, Size, corners, numbers_of
from triptych.text.marks import Segment

_OBJECT = re.compile(r'\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}')
"""A flat object of JSON; braces within its texts do not end it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelsConfig:
    """Whole pixels of the picture as the model sees it, in JSON: Qwen2.5-VL.

    {"bbox_2d": [64, 48, 320, 240], "label": "cat"}     {"point_2d": [64, 48], "label": "cat"}
    """

    box_key: str = "bbox_2d"
    """Of left, top, right and bottom."""
    point_key: str = "point_2d"
    """Of x and y."""
    label_key: str = "label"
    """Of what it is."""

    def __post_init__(self) -> None:
        if not (self.box_key and self.point_key and self.label_key):
            raise ConfigError("coordinates in JSON need a key for boxes, points and labels")

    @property
    def special_tokens(self) -> tuple[str, ...]:
        """None: it is text throughout."""
        return ()

    @property
    def message_keys(self) -> Mapping[str, bool]:
        """What a message that asks for places says besides its text: nothing."""
        return {}

    def write(
        self, located: Located, width: int, height: int, seen: Size | None = None
    ) -> tuple[Segment, ...]:
        """The thing as the model writes it, for a picture of `width` x `height` pixels.

        `seen` is the size in which the model sees it, where that is another. Rounded to whole
        pixels of that size; outside of the picture becomes its edge.
        """
        place, key = located.place, self.box_key
        if isinstance(place, Point):
            points, key = [(place.x, place.y)], self.point_key
        else:
            points = corners(place)
        sides, seen = (width, height), seen or (width, height)
        numbers = [
            min(new, max(0, round(value * new / old)))
            for point in points
            for value, new, old in zip(point, seen, sides, strict=True)
        ]
        written = f"{{{json.dumps(key)}: {numbers}"
        if not located.label:
            return (Segment(f"{written}}}", is_control=True),)
        return (
            Segment(f'{written}, {json.dumps(self.label_key)}: "', is_control=True),
            Segment(json.dumps(located.label, ensure_ascii=False)[1:-1], is_control=False),
            Segment('"}', is_control=True),
        )

    def read(self, text: str, width: int, height: int, seen: Size | None = None) -> list[Located]:
        """The places in a text, in order; in pixels of the original.

        Reads what models write: objects alone or in a list, among other words. Swapped corners are
        sorted, numbers beyond the picture become its edge, and whatever is malformed is skipped.
        """
        scales = [
            old / new for old, new in zip((width, height), seen or (width, height), strict=True)
        ]
        places: list[Located] = []
        for match in _OBJECT.finditer(text):
            try:
                found: object = json.loads(match[0])
            except ValueError:
                continue
            place = self._place(cast(dict[str, object], found), scales, (width, height))
            if place is not None:
                places.append(place)
        return places

    def _place(
        self, found: Mapping[str, object], scales: Sequence[float], sides: Size
    ) -> Located | None:
        box, point = (numbers_of(found.get(key)) for key in (self.box_key, self.point_key))
        label = found.get(self.label_key, "")
        text = label.strip() if isinstance(label, str) else ""
        numbers = [
            min(float(sides[index % 2]), max(0.0, number * scales[index % 2]))
            for index, number in enumerate(box or point or [])
        ]
        if box and len(box) == 4:
            (left, right), (top, bottom) = sorted(numbers[::2]), sorted(numbers[1::2])
            return Located(Box(left, top, right, bottom), text)
        return Located(Point(*numbers), text) if point and len(numbers) == 2 else None
