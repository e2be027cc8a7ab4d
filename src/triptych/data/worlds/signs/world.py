"""Signs: boards with words, codes and numbers to be read, among objects of no concern.

About a third of the texts are no words, and near misses are asked for as often as what is there,
so that a question is answered by reading or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from triptych.data.worlds.asking import Asking, put, put_apart
from triptych.data.worlds.backgrounds import Background, choose_background
from triptych.data.worlds.lettering import add_grain
from triptych.data.worlds.marks import Mark, mark_thing
from triptych.data.worlds.naming import name
from triptych.data.worlds.objects import Thing, box_of, draw_things, shade
from triptych.data.worlds.question import Question
from triptych.data.worlds.signs.boards import (
    Sign,
    colours_of,
    draw_sign,
    fits,
    inks_on,
    mark_sign,
)
from triptych.data.worlds.signs.layout import place, scatter
from triptych.data.worlds.signs.questions import (
    PHRASES,
    absent,
    all_askings,
    colour_of,
    present,
    readings,
    some_absent,
    where,
)
from triptych.data.worlds.signs.words import TextKind, another_text, clashes, misspell
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing
from triptych.geometry import Box

SIZES = ((224, 224), (252, 168), (196, 252), (224, 168), (252, 196), (252, 252))
"""Widths and heights of pictures, in multiples of 28 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignFacts:
    """One picture of signs."""

    split: Split
    """Decides which words a changed sign may show."""
    width: int
    height: int
    signs: tuple[Sign, ...]
    background: Background
    things: tuple[Thing, ...]
    """Objects that no question is about."""
    grain: int
    """Largest change of a pixel by noise, of 255."""
    seed: int
    """Of the noise."""


class Signs:
    """The world of signs."""

    name = "signs"

    def compose(self, rng: Random, split: Split, prior: float) -> SignFacts:
        width, height = rng.choice(SIZES)
        signs = place(rng, split, prior, (width, height), rng.randint(1, 3))
        plain = SignFacts(
            split=split,
            width=width,
            height=height,
            signs=signs,
            background=Background("plain", (128, 128, 128), (128, 128, 128), 0),
            things=(),
            grain=0,
            seed=0,
        )
        return self.vary(plain, rng)

    def change(self, facts: SignFacts, rng: Random) -> SignFacts:
        while True:
            sign = rng.choice(facts.signs)
            change = _recoloured if rng.random() < 0.25 else _rewritten
            if (changed := change(sign, facts, rng)) is not None:
                signs = tuple(changed if other is sign else other for other in facts.signs)
                return replace(facts, signs=signs)

    def vary(self, facts: SignFacts, rng: Random) -> SignFacts:
        signs = tuple(replace(sign, board=shade(rng, sign.colour)) for sign in facts.signs)
        things = scatter(rng, (facts.width, facts.height), [sign.box for sign in signs])
        colours = [sign.board for sign in signs] + [thing.rgb for thing in things]
        return replace(
            facts,
            signs=signs,
            things=things,
            background=choose_background(rng, colours),
            grain=rng.choice((0, 0, 4, 8, 12)),
            seed=rng.getrandbits(32),
        )

    def render(self, facts: SignFacts) -> Drawing:
        canvas = draw_things((facts.width, facts.height), facts.background, facts.things)
        for sign in facts.signs:
            draw_sign(canvas, sign)
        return Drawing(pictures=(add_grain(canvas, facts.seed, facts.grain),))

    def ask(self, facts: SignFacts, rng: Random, split: Split) -> Sequence[Question]:
        signs = facts.signs
        askings = [one for one in all_askings(signs) if one.kind in ("signs/count", "signs/read")]
        for sign in signs:
            ways = readings(sign, signs)
            askings += rng.sample(ways, min(1, len(ways)))
        askings += [where(sign) for sign in rng.sample(signs, min(2, len(signs)))]
        askings.append(colour_of(rng.choice(signs)))
        askings.append(present(rng.choice(signs)))
        askings.append(some_absent(rng.choice(signs), signs, _is_tested(facts), rng))
        return put(askings, PHRASES, rng, split)

    def contrast(
        self, facts: SignFacts, changed: SignFacts, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        ours, theirs = _contrasted(facts, changed), _contrasted(changed, facts)
        return put_apart(ours, theirs, PHRASES, rng, split)

    def describe(self, facts: SignFacts) -> dict[str, Any]:
        return {
            "width": facts.width,
            "height": facts.height,
            "signs": [_described(sign) for sign in facts.signs],
            "objects": [
                {"name": name(thing), "box": _corners(box_of(thing))} for thing in facts.things
            ],
        }

    def marks(self, facts: SignFacts) -> Sequence[Sequence[Mark]]:
        """Objects, boards and their letters."""
        found: list[Mark] = [mark_thing(thing) for thing in facts.things]
        for number, sign in enumerate(facts.signs):
            found += mark_sign(sign, number)
        return [found]


# -- changing -------------------------------------------------------------------------------------


def _is_tested(facts: SignFacts) -> bool:
    return facts.split == "test"


def _rewritten(sign: Sign, facts: SignFacts, rng: Random) -> Sign | None:
    """The same board with another text that fits on it, as often as not by one letter."""
    shown = [other.text for other in facts.signs]
    for _ in range(60):
        if rng.random() < 0.5:
            text = misspell(sign.text, _is_tested(facts), rng)
            kind: TextKind = "random" if sign.text_kind == "word" else sign.text_kind
        else:
            text = another_text(sign.text, sign.text_kind, _is_tested(facts), rng)
            kind = sign.text_kind
        if not clashes(text, shown) and fits(text, sign):
            return replace(sign, text=text, text_kind=kind)
    return None


def _recoloured(sign: Sign, facts: SignFacts, rng: Random) -> Sign | None:
    """The same sign in a colour that no other has and that suits its text, if there is one."""
    taken = {other.colour for other in facts.signs}
    colours = [
        one
        for one in colours_of(sign.shape, facts.split)
        if one not in taken and sign.ink in inks_on(one)
    ]
    if not colours:
        return None
    colour = rng.choice(colours)
    return replace(sign, colour=colour, board=shade(rng, colour))


def _contrasted(facts: SignFacts, other: SignFacts) -> list[Asking]:
    """All questions, those for the twin's texts among them."""
    texts = {sign.text for sign in facts.signs}
    missing = [sign for sign in other.signs if sign.text not in texts]
    return [
        *all_askings(facts.signs),
        *(present(sign) for sign in facts.signs),
        *(absent(sign, sign.text, "twin") for sign in missing),
    ]


# -- describing -----------------------------------------------------------------------------------


def _described(sign: Sign) -> dict[str, Any]:
    return {
        "text": sign.text,
        "text_kind": sign.text_kind,
        "colour": sign.colour,
        "font": sign.font,
        "height": sign.text_height,
        "box": _corners(sign.box),
    }


def _corners(box: Box) -> list[float]:
    return [round(value, 2) for value in (box.left, box.top, box.right, box.bottom)]
