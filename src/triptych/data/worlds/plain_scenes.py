"""Scenes of one thing, asked about in plain words: what a tiny model learns within a minute.

    what colour? red       what shape? circle       is there a red square? no

The things, the questions and what counts as right are those of `scenes`; there are four colours and
four shapes, a thing fills most of its picture and is of one colour all over, the ground is grey,
and nothing is asked in two ways.
"""

from dataclasses import replace
from itertools import product
from random import Random

import torch

from triptych.data.worlds.backgrounds import Background
from triptych.data.worlds.naming import Description, describe, with_article
from triptych.data.worlds.objects import HELD_OUT, SHAPES
from triptych.data.worlds.question import Question
from triptych.data.worlds.samples import encode_questions
from triptych.data.worlds.scenes.facts import Scene, place
from triptych.data.worlds.scenes.questions import attribute_question, existence_question
from triptych.data.worlds.scenes.world import Scenes, describe_scene
from triptych.data.worlds.world import WorldSample
from triptych.processor import Processor, Sample
from triptych.sequences import weighed_by_length

COLOURS: tuple[str, ...] = ("red", "blue", "green", "yellow")
KINDS: tuple[tuple[str, str], ...] = tuple(
    kind for kind in product(COLOURS, SHAPES[:4]) if kind not in HELD_OUT
)
"""Colour and shape of all things that are drawn."""


def draw_plain_scene(number: int, size: int = 48) -> WorldSample:
    """Scene `number`, `size` pixels a side, with four questions: colour, shape, whether there is
    what is there, whether there is what is nearly that."""
    rng = Random(f"plain scenes {number}")
    thing = place(rng, (size, size), (), rng.choice(KINDS), "large")
    assert thing is not None, "an empty scene has room"
    thing = replace(
        thing,
        texture="solid",
        x=size * rng.uniform(0.45, 0.55),
        y=size * rng.uniform(0.45, 0.55),
        radius=size * rng.uniform(0.33, 0.4),
    )
    grey = rng.randint(20, 90)
    ground = (grey, grey, grey)
    scene = Scene((size, size), (thing,), Background("plain", ground, ground, seed=0))
    return WorldSample(
        sample_id=f"plain-scenes/{number}",
        drawing=Scenes().render(scene),
        questions=_questions(scene, rng),
        truth=describe_scene(scene),
    )


def plain_caption(drawn: WorldSample) -> str:
    """What there is to say of it: `a red circle`."""
    [thing] = drawn.truth["objects"]
    return with_article(f"{thing['colour']} {thing['shape']}")


def _questions(scene: Scene, rng: Random) -> tuple[Question, ...]:
    [thing] = scene.things
    there = describe(thing)
    near = [(c, s) for c, s in KINDS if (c == there.colour) != (s == there.shape)]
    colour, shape = rng.choice(near)
    return (
        attribute_question(thing, "colour", "what colour?"),
        attribute_question(thing, "shape", "what shape?"),
        _whether(scene, there, "random"),
        _whether(scene, Description(colour=colour, shape=shape), "adversarial"),
    )


def _whether(scene: Scene, wanted: Description, family: str) -> Question:
    text = f"is there {with_article(wanted.phrase)}?"
    return existence_question(scene, wanted, text, family)


def plain_scene_sample(
    processor: Processor, size: int, number: int, generator: torch.Generator
) -> Sample:
    """Scene `number` with all its questions in one row, always the same."""
    del generator  # nothing is left to chance here
    drawn = draw_plain_scene(number, size)
    return weighed_by_length(encode_questions(processor, drawn, drawn.questions))
