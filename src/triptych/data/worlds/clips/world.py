"""Clips: a few objects that move, stay, appear and disappear, two frames a second."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from triptych.data.worlds.asking import put, put_apart
from triptych.data.worlds.backgrounds import choose_background
from triptych.data.worlds.clips.facts import BEAT, FPS, SIZE, ClipFacts, Mover, happenings
from triptych.data.worlds.clips.plots import change_movers, make_movers
from triptych.data.worlds.clips.questions import PHRASES, all_askings, choose
from triptych.data.worlds.lettering import add_grain
from triptych.data.worlds.marks import Mark, mark_thing
from triptych.data.worlds.objects import Thing, box_of, draw_things, shade
from triptych.data.worlds.question import Question
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing

LENGTHS = (4, 6, 8)
"""Numbers of frames; even, as models merge frames in pairs."""


class Clips:
    """The world of clips."""

    name = "clips"

    def compose(self, rng: Random, split: Split, prior: float) -> ClipFacts:
        num_frames = rng.choice(LENGTHS)
        movers = make_movers(rng, split, prior, num_frames)
        return ClipFacts(
            split=split,
            num_frames=num_frames,
            movers=movers,
            background=choose_background(rng, [mover.thing.rgb for mover in movers]),
            grain=rng.choice((0, 0, 4, 8)),
            seed=rng.getrandbits(32),
        )

    def change(self, facts: ClipFacts, rng: Random) -> ClipFacts:
        return replace(facts, movers=change_movers(facts.movers, rng))

    def vary(self, facts: ClipFacts, rng: Random) -> ClipFacts:
        things = [
            replace(mover.thing, rgb=shade(rng, mover.thing.colour)) for mover in facts.movers
        ]
        return replace(
            facts,
            movers=tuple(
                replace(mover, thing=thing)
                for mover, thing in zip(facts.movers, things, strict=True)
            ),
            background=choose_background(rng, [thing.rgb for thing in things]),
            grain=rng.choice((0, 0, 4, 8)),
            seed=rng.getrandbits(32),
        )

    def render(self, facts: ClipFacts) -> Drawing:
        frames = range(facts.num_frames)
        return Drawing(pictures=tuple(_draw(facts, frame) for frame in frames), fps=FPS)

    def ask(self, facts: ClipFacts, rng: Random, split: Split) -> Sequence[Question]:
        return put(choose(facts, rng), PHRASES, rng, split)

    def contrast(
        self, facts: ClipFacts, changed: ClipFacts, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        return put_apart(all_askings(facts), all_askings(changed), PHRASES, rng, split)

    def describe(self, facts: ClipFacts) -> dict[str, Any]:
        beats = range(facts.num_frames // BEAT)
        return {
            "width": SIZE[0],
            "height": SIZE[1],
            "fps": FPS,
            "num_frames": facts.num_frames,
            "objects": [_described(mover, facts.num_frames) for mover in facts.movers],
            "seconds": [happenings(facts.movers, facts.num_frames, beat) for beat in beats],
        }

    def marks(self, facts: ClipFacts) -> Sequence[Sequence[Mark]]:
        """The objects that each frame shows."""
        frames = range(facts.num_frames)
        return [[mark_thing(thing) for thing in _seen(facts, frame)] for frame in frames]


def _draw(facts: ClipFacts, frame: int) -> Any:
    picture = draw_things(SIZE, facts.background, _seen(facts, frame))
    return add_grain(picture, facts.seed + frame, facts.grain)


def _seen(facts: ClipFacts, frame: int) -> list[Thing]:
    return [mover.at(frame) for mover in facts.movers if mover.is_seen(frame)]


def _described(mover: Mover, num_frames: int) -> dict[str, Any]:
    """Direction and speed, and the box in every frame, null where it is not there."""
    return {
        "name": mover.name,
        "colour": mover.thing.colour,
        "shape": mover.thing.shape,
        "direction": mover.direction,
        "pixels_per_s": mover.step * FPS,
        "boxes": [_box(mover, frame) for frame in range(num_frames)],
    }


def _box(mover: Mover, frame: int) -> list[float] | None:
    if not mover.is_seen(frame):
        return None
    box = box_of(mover.at(frame))
    return [round(value, 2) for value in (box.left, box.top, box.right, box.bottom)]
