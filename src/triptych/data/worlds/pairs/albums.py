"""What several small pictures have to do with each other.

before_after   a scene, then the same scene in other shades, with one change or none
collection     two to four scenes of their own
few_shot       one object in each; all but the last are named by a rule to be found out
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, TypeAlias

from triptych.data.worlds.backgrounds import choose_background
from triptych.data.worlds.naming import Description, describe
from triptych.data.worlds.objects import COLOURS, HELD_OUT, SHAPES, SIZES, TEXTURES, shade, tilt
from triptych.data.worlds.pairs.words import INVENTED, INVENTED_UNSEEN
from triptych.data.worlds.scenes.changes import change_scene, vary_scene
from triptych.data.worlds.scenes.facts import Layout, Scene, compose_scene, place
from triptych.data.worlds.wording import Split

Mode: TypeAlias = Literal["before_after", "collection", "few_shot"]

SIDES: tuple[tuple[int, int], ...] = ((168, 168), (168, 168), (140, 140))
"""Widths and heights to choose from, in pixels; all pictures of an album have the same."""

MOST_THINGS = 4
"""Largest number of objects in one picture."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the pictures of few shots are named."""

    attribute: str
    """That of the object by which the names go."""
    words: tuple[tuple[str, str], ...]
    """Each value of it, and what it is called."""


@dataclass(frozen=True, slots=True)
class Album:
    """A few pictures in order."""

    mode: Mode
    scenes: tuple[Scene, ...]
    unchanged: Scene | None = None
    """The second picture without its change, if it is one of before and after."""
    rule: Rule | None = None
    """Of few shots only."""

    @property
    def is_same(self) -> bool:
        """Whether before and after show the same facts."""
        return self.scenes[1].change is None

    @property
    def label(self) -> str:
        """What the last picture is called."""
        return self.labels()[-1]

    def labels(self) -> list[str]:
        """What each picture is called by the rule."""
        assert self.rule is not None, "only few shots have a rule"
        words, attribute = dict(self.rule.words), self.rule.attribute
        return [words[getattr(scene.things[0], attribute)] for scene in self.scenes]


def compose_album(rng: Random, split: Split, prior: float) -> Album:
    """A fresh album of one of the three modes."""
    layout = Layout(sides=(rng.choice(SIDES),), most=MOST_THINGS)
    chance = rng.random()
    if chance < 0.5:
        return _before_after(compose_scene(rng, split, prior, layout), rng)
    if chance < 0.75:
        return _collection(rng, split, prior, layout)
    return _few_shot(rng, split, layout)


def _before_after(first: Scene, rng: Random) -> Album:
    has_changed = rng.random() < 0.5
    # Pictures of the same facts never have the same pixels; changed ones differ in shades, too,
    # half the time.
    unchanged = first if has_changed and rng.random() < 0.5 else vary_scene(first, rng)
    second = change_scene(unchanged, rng) if has_changed else unchanged
    return Album("before_after", (first, second), unchanged)


def _collection(rng: Random, split: Split, prior: float, layout: Layout) -> Album:
    count, album = rng.randint(2, 4), None
    while album is None or not all(marks(album, index) for index in range(count)):
        scenes = tuple(compose_scene(rng, split, prior, layout) for _ in range(count))
        album = Album("collection", scenes)
    return album


def marks(album: Album, index: int) -> list[Description]:
    """What can be seen in this picture and in none of the others."""
    others = [thing for scene in album.scenes[:index] for thing in scene.things]
    others += [thing for scene in album.scenes[index + 1 :] for thing in scene.things]
    looked_at = (("colour",), ("shape",), ("colour", "shape"), ("colour", "shape"))
    found = [
        describe(thing, attributes)
        for thing in album.scenes[index].things
        for attributes in looked_at
    ]
    return [wanted for wanted in found if not any(map(wanted.fits, others))]


# -- few shots ------------------------------------------------------------------------------------

_RULES: tuple[str, ...] = ("colour", "colour", "shape", "shape", "texture")
_DISTINCT: Mapping[str, tuple[str, ...]] = {"colour": tuple(COLOURS), "shape": SHAPES}


def _few_shot(rng: Random, split: Split, layout: Layout) -> Album:
    """Objects that share nothing but the attribute that the rule goes by, or all the rest."""
    attribute, count = rng.choice(_RULES), rng.randint(3, 4)
    # Both names are shown, then either is asked for.
    classes = [*rng.sample((0, 1), 2), *(rng.randint(0, 1) for _ in range(count - 2))]
    values: list[str] = []
    pairs: list[tuple[str, str]] = []
    while not _suit(pairs, values, attribute, split):
        values = rng.sample(TEXTURES if attribute == "texture" else _DISTINCT[attribute], 2)
        drawn = {key: rng.sample(known, count) for key, known in _DISTINCT.items()}
        if attribute != "texture":
            drawn[attribute] = [values[which] for which in classes]
        pairs = list(zip(drawn["colour"], drawn["shape"], strict=True))
    size, texture = rng.choice(tuple(SIZES)), rng.choice(TEXTURES)
    textures = [values[c] if attribute == "texture" else texture for c in classes]
    scenes = tuple(
        _single(rng, layout.sides[0], pair, size, texture)
        for pair, texture in zip(pairs, textures, strict=True)
    )
    known = INVENTED_UNSEEN if split in ("test", "combinations") else INVENTED
    words = tuple(zip(values, rng.sample(known, 2), strict=True))
    return Album("few_shot", scenes, rule=Rule(attribute, words))


def _suit(
    pairs: Sequence[tuple[str, str]], values: Sequence[str], attribute: str, split: Split
) -> bool:
    """Whether the split may show these, and the last with either value."""
    if not pairs:
        return False
    if split == "combinations":
        return pairs[-1] in HELD_OUT
    colour, shape = pairs[-1]
    last = [(value, shape) if attribute == "colour" else (colour, value) for value in values]
    return HELD_OUT.isdisjoint(pairs) and HELD_OUT.isdisjoint(last)


def _single(
    rng: Random, size: tuple[int, int], pair: tuple[str, str], size_name: str, texture: str
) -> Scene:
    thing = place(rng, size, (), pair, size_name)
    assert thing is not None, "an empty picture has room"
    thing = replace(thing, texture=texture)
    return Scene(size, (thing,), choose_background(rng, [thing.rgb]))


# -- twins and variants ---------------------------------------------------------------------------


def change_album(album: Album, rng: Random) -> Album:
    """A change is made or unmade, two pictures change places, or the last gets the other name."""
    scenes = list(album.scenes)
    if album.mode == "before_after":
        assert album.unchanged is not None
        scenes[1] = change_scene(album.unchanged, rng) if album.is_same else album.unchanged
    elif album.mode == "collection":
        one, other = rng.sample(range(len(scenes)), 2)
        scenes[one], scenes[other] = scenes[other], scenes[one]
    else:
        scenes[-1] = _renamed(scenes[-1], album.rule, rng)
    return replace(album, scenes=tuple(scenes))


def _renamed(scene: Scene, rule: Rule | None, rng: Random) -> Scene:
    assert rule is not None, "few shots have a rule"
    (thing,) = scene.things
    (value,) = [v for v, _ in rule.words if v != getattr(thing, rule.attribute)]
    thing = replace(thing, **{rule.attribute: value})
    if rule.attribute == "colour":
        thing = replace(thing, rgb=shade(rng, value))
    elif rule.attribute == "shape":
        thing = replace(thing, angle=tilt(rng, value))
    return replace(scene, things=(thing,))


def vary_album(album: Album, rng: Random) -> Album:
    """Every picture in other shades on another ground."""
    first, *rest = [vary_scene(scene, rng) for scene in album.scenes]
    unchanged = album.unchanged and vary_scene(album.unchanged, rng)
    return replace(album, scenes=(first, *rest), unchanged=unchanged)
