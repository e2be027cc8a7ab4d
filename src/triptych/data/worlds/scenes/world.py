"""Scenes of coloured objects: what is there, how many, what like, and where.

The workhorse of the drawn worlds. Facts are in `facts`, questions in `questions`
and their wordings in `words`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Any

from triptych.data.worlds.marks import Mark, mark_thing
from triptych.data.worlds.objects import Thing, box_of, draw_things
from triptych.data.worlds.question import Question
from triptych.data.worlds.scenes.changes import change_scene, vary_scene
from triptych.data.worlds.scenes.facts import (
    Layout,
    Scene,
    compose_scene,
    is_held_out,
)
from triptych.data.worlds.scenes.places import (
    ask_caption,
    ask_detect,
    ask_locate,
    ask_point,
    ask_relation,
)
from triptych.data.worlds.scenes.questions import (
    Ask,
    ask_attribute,
    ask_comparison,
    ask_count,
    ask_existence,
)
from triptych.data.worlds.scenes.twins import contrast_scenes
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing

_ASKED: tuple[Ask, ...] = (
    ask_caption,
    *(ask_attribute, ask_attribute),
    *(ask_existence, ask_existence),
    *(ask_count, ask_count),
    ask_comparison,
    ask_relation,
    ask_locate,
    ask_point,
    ask_detect,
)
"""What is asked of every scene where it can be."""


class Scenes:
    """One to nine coloured objects on a ground."""

    name: str = "scenes"

    def __init__(self, layout: Layout | None = None) -> None:
        """`layout` offers another room than usual: fewer things, smaller pictures."""
        self.layout = layout or Layout()

    def compose(self, rng: Random, split: Split, prior: float) -> Scene:
        """Fresh facts; `prior` is how often a shape has the colour that `PRIOR` names."""
        return compose_scene(rng, split, prior, self.layout)

    def change(self, facts: Scene, rng: Random) -> Scene:
        """One attribute of one thing, one thing more or less, or two things swapped."""
        return change_scene(facts, rng)

    def vary(self, facts: Scene, rng: Random) -> Scene:
        """Other shades, stripes and ground; nothing moves."""
        return vary_scene(facts, rng)

    def render(self, facts: Scene) -> Drawing:
        """One picture."""
        return Drawing(pictures=(draw_things(facts.size, facts.background, facts.things),))

    def ask(self, facts: Scene, rng: Random, split: Split) -> Sequence[Question]:
        """About a dozen questions, no two in the same words."""
        asked = [question for ask in _ASKED if (question := ask(facts, rng, split))]
        different = list({question.text: question for question in asked}.values())
        rng.shuffle(different)
        return different

    def contrast(
        self, facts: Scene, changed: Scene, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        """One question about what was changed, with both answers."""
        assert changed.change is not None, "a twin says what was changed"
        return contrast_scenes(facts, changed, changed.change, rng, split)

    def describe(self, facts: Scene) -> dict[str, Any]:
        """All objects with attributes and boxes."""
        return describe_scene(facts)

    def marks(self, facts: Scene) -> Sequence[Sequence[Mark]]:
        """The objects."""
        return [[mark_thing(thing) for thing in facts.things]]


def describe_scene(scene: Scene) -> dict[str, Any]:
    """A scene as plain JSON values; boxes are left, top, right, bottom in pixels."""
    change = scene.change
    return {
        "width": scene.size[0],
        "height": scene.size[1],
        "background": scene.background.kind,
        "objects": [_described(thing) for thing in scene.things],
        "change": change and {
            "kind": change.kind,
            "before": change.before and _described(change.before),
            "after": change.after and _described(change.after),
        },
    }  # fmt: skip


def _described(thing: Thing) -> dict[str, Any]:
    box = box_of(thing)
    return {
        **asdict(thing),
        "rgb": list(thing.rgb),
        "box": [box.left, box.top, box.right, box.bottom],
        "held_out": is_held_out(thing),
    }
