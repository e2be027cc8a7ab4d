"""What goes on in a clip: objects that move, stay, appear and disappear, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from triptych.data.worlds.backgrounds import Background
from triptych.data.worlds.naming import name
from triptych.data.worlds.objects import Thing
from triptych.data.worlds.wording import Split
from triptych.geometry import Box, Point

FPS = 2.0
"""Frames a second."""

BEAT = 2
"""Frames a beat, which is one second; what happens is asked beat by beat."""

SIZE = (112, 112)
"""Width and height, in pixels."""

REACH = 1.22
"""Radii by which a tilted object extends from its centre at most; half a pixel of edge is extra."""

Direction: TypeAlias = Literal["left", "right", "up", "down"]
DIRECTIONS: dict[Direction, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
}
"""Columns and rows of a step of one pixel."""

OPPOSITE: dict[Direction, Direction] = {
    "left": "right",
    "right": "left",
    "up": "down",
    "down": "up",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One object of a clip. It moves in one direction, during one stretch of frames, or never."""

    thing: Thing
    """As it is before it moves."""
    direction: Direction | None = None
    """None when it never moves."""
    step: float = 0.0
    """Pixels from one frame to the next while it moves."""
    starts: int = 0
    """The last frame before it moves."""
    stops: int = 0
    """The first frame in which it has arrived."""
    appears: int = 0
    """The first frame that shows it."""
    vanishes: int
    """The first frame after that without it; the number of frames when it stays to the end."""

    @property
    def name(self) -> str:
        return name(self.thing)

    def is_seen(self, frame: int) -> bool:
        return self.appears <= frame < self.vanishes

    def centre(self, frame: int) -> Point:
        """Where it is or would be."""
        num_steps = min(max(frame, self.starts), self.stops) - self.starts
        across, down = DIRECTIONS[self.direction] if self.direction else (0, 0)
        way = num_steps * self.step
        return Point(self.thing.x + across * way, self.thing.y + down * way)

    def at(self, frame: int) -> Thing:
        """The object as it lies in this frame."""
        centre = self.centre(frame)
        return replace(self.thing, x=centre.x, y=centre.y)

    @property
    def room(self) -> Box:
        """What it covers in any frame lies in here, however it is turned."""
        one, two = self.centre(self.starts), self.centre(self.stops)
        reach = REACH * self.thing.radius + 0.5
        return Box(
            min(one.x, two.x) - reach,
            min(one.y, two.y) - reach,
            max(one.x, two.x) + reach,
            max(one.y, two.y) + reach,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """One clip."""

    split: Split
    num_frames: int
    """Even."""
    movers: tuple[Mover, ...]
    background: Background
    grain: int
    """Largest change of a pixel by noise, of 255."""
    seed: int
    """Of the noise, another in each frame."""


def happenings(movers: Sequence[Mover], num_frames: int, beat: int) -> list[str]:
    """What is to be seen within this second: `the red circle appears`."""
    first, last = BEAT * beat, min(BEAT * (beat + 1), num_frames - 1)
    said: list[str] = []
    for mover in movers:
        if mover.direction and mover.starts < last and mover.stops > first:
            said.append(f"the {mover.name} moves {mover.direction}")
        if first < mover.appears <= last:
            said.append(f"the {mover.name} appears")
        if first < mover.vanishes <= last:
            said.append(f"the {mover.name} disappears")
    return said


def keep_apart(movers: Sequence[Mover], gap: float = 1.0) -> bool:
    """Whether no object touches the rim, nor comes where another ever is."""
    rooms = [mover.room for mover in movers]
    width, height = SIZE
    for index, room in enumerate(rooms):
        if min(room.left, room.top) < gap or room.right > width - gap or room.bottom > height - gap:
            return False
        wide = Box(room.left - gap, room.top - gap, room.right + gap, room.bottom + gap)
        if any(wide.intersection(other) for other in rooms[:index]):
            return False
    return True
