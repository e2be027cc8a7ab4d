"""Scenes with one fact changed, and scenes with the same facts that look different."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from triptych.data.worlds.backgrounds import choose_background
from triptych.data.worlds.naming import ATTRIBUTES, references
from triptych.data.worlds.objects import SIZES, SLANTS, Thing, box_of, radius, shade, tilt
from triptych.data.worlds.scenes.facts import (
    DRAWN,
    MAX_THINGS,
    Change,
    Scene,
    bulk,
    is_free,
    place,
    relations,
)

CHANGES: tuple[str, ...] = (*ATTRIBUTES, "removed", "added", "swapped")
"""What can be changed."""


def change_scene(scene: Scene, rng: Random) -> Scene:
    """The scene with one thing changed, added or removed, or two swapped.

    Held-out pairs come or stay only where there are some, so that a twin belongs to its split.
    """
    for kind in (*rng.sample(CHANGES, len(CHANGES)), "texture"):
        changed = _changed(scene, kind, rng)
        if changed is not None and changed.has_held_out == scene.has_held_out:
            return changed
    raise AssertionError("a texture can always be changed")


def _changed(scene: Scene, kind: str, rng: Random) -> Scene | None:
    if kind == "added":
        return _with_one_more(scene, rng)
    if kind == "swapped":
        return _swapped(scene, rng)
    index = rng.randrange(len(scene.things))
    before = scene.things[index]
    rest = scene.things[:index] + scene.things[index + 1 :]
    if kind == "removed":
        return replace(scene, things=rest, change=Change(kind, before, None)) if rest else None
    after = _with_other(before, kind, scene.size, rng)
    if kind in ("size", "shape") and not _has_room(after, rest, scene.size):
        return None
    things = (*scene.things[:index], after, *scene.things[index + 1 :])
    return replace(scene, things=things, change=Change(kind, before, after))


def _with_other(thing: Thing, attribute: str, size: tuple[int, int], rng: Random) -> Thing:
    """The thing with another colour, shape, size or texture."""
    now = getattr(thing, attribute)
    value = rng.choice([value for value in DRAWN[attribute] if value != now])
    if attribute == "colour":
        return replace(thing, colour=value, rgb=shade(rng, value))
    if attribute == "shape":
        return replace(thing, shape=value, angle=tilt(rng, value))
    if attribute == "size":
        return replace(thing, size=value, radius=radius(rng, value, size))
    return replace(thing, texture=value)


def _has_room(thing: Thing, others: Sequence[Thing], size: tuple[int, int]) -> bool:
    box = box_of(thing)
    return (
        min(box.left, box.top, size[0] - box.right, size[1] - box.bottom) >= 0
        and is_free(thing.x, thing.y, bulk(thing), others, 0.9)
    )  # fmt: skip


def _with_one_more(scene: Scene, rng: Random) -> Scene | None:
    if len(scene.things) >= MAX_THINGS:
        return None
    kind = rng.choice(DRAWN["colour"]), rng.choice(DRAWN["shape"])
    thing = place(rng, scene.size, scene.things, kind, rng.choice(tuple(SIZES)), 1.0)
    if thing is None:
        return None
    return replace(scene, things=(*scene.things, thing), change=Change("added", None, thing))


def _swapped(scene: Scene, rng: Random) -> Scene | None:
    """Two things at each other's places, where both can be named and told apart there."""
    if len(scene.things) < 2:
        return None
    first, second = rng.sample(scene.things, 2)
    moved = {
        id(first): replace(first, x=second.x, y=second.y),
        id(second): replace(second, x=first.x, y=first.y),
    }
    things = tuple(moved.get(id(thing), thing) for thing in scene.things)
    for thing in moved.values():
        if not _has_room(thing, [other for other in things if other is not thing], scene.size):
            return None
    change = Change("swapped", first, moved[id(first)], second, moved[id(second)])
    changed = replace(scene, things=things, change=change)
    can_name = references(first, scene.things) and references(second, scene.things)
    return changed if can_name and relations(first, second, scene.size) else None


def vary_scene(scene: Scene, rng: Random) -> Scene:
    """The scene in other shades, with other stripes, on another ground; nothing moves."""
    things = tuple(
        replace(thing, rgb=shade(rng, thing.colour), slant=rng.choice(SLANTS))
        for thing in scene.things
    )
    background = choose_background(rng, [thing.rgb for thing in things])
    return replace(scene, things=things, background=background)
