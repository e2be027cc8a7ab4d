"""Drawn worlds, by name: pictures whose every answer is known.

sample = draw("scenes/train/17")
pair = draw_pair("scenes/test/17")
"""

from collections.abc import Mapping

from triptych.data.worlds import world as drawing
from triptych.data.worlds.charts import Charts
from triptych.data.worlds.clips import Clips
from triptych.data.worlds.documents import Documents
from triptych.data.worlds.pairs import Pairs
from triptych.data.worlds.scenes import Scenes
from triptych.data.worlds.screens import Screens
from triptych.data.worlds.signs import Signs
from triptych.data.worlds.world import Pair, SampleId, World, WorldSample
from triptych.errors import UnknownNameError, UsageError

_ALL: tuple[World, ...] = (
    Scenes(),
    Signs(),
    Charts(),
    Documents(),
    Screens(),
    Pairs(),
    Clips(),
)

WORLDS: Mapping[str, World] = {each.name: each for each in _ALL}
"""All there are."""


def find_world(name: str) -> World:
    """The world of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in WORLDS:
        raise UnknownNameError("world", name, WORLDS)
    return WORLDS[name]


def draw(sample_id: str) -> WorldSample:
    """The sample of that id; the same one whenever it is drawn.

    Raises:
        UnknownNameError: there is no such world.
        UsageError: it is no id.
    """
    parsed = SampleId.parse(sample_id)
    return drawing.draw_from(find_world(parsed.world), parsed)


def draw_pair(sample_id: str) -> Pair:
    """The sample of that id and its twin, with a question that tells them apart.

    Raises:
        UnknownNameError: there is no such world.
        UsageError: it is no id, or already that of a twin or of a nuisance variant.
    """
    parsed = SampleId.parse(sample_id)
    if parsed.variant:
        raise UsageError(
            f"{sample_id!r} is a variant, which has no twin of its own; leave out "
            f"'/{parsed.variant}'"
        )
    return drawing.draw_pair(find_world(parsed.world), parsed)


__all__ = [
    "WORLDS",
    "Pair",
    "SampleId",
    "World",
    "WorldSample",
    "draw",
    "draw_pair",
    "find_world",
]
