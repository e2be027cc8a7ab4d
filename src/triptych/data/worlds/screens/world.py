"""Application windows: what to press, what is set, what to do next.

    +--------------------------+
    | Marlin Settings        x |   click Save            -> a point on the button
    | [General] Audio          |   is Autosave ticked?   -> yes
    | Name   [ mia           ] |   type 'leo' into Name  -> {"name":"type",...}
    | [x] Autosave             |
    |        (Cancel) ( Save ) |
    +--------------------------+

Training never sees about a fifth of the words (`screen_words.is_held_out`), nor some pairs of theme
and accent colour (`screen_composing.HELD_OUT_LOOKS`), of which the split `combinations` consists.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from triptych.data.worlds.marks import Mark
from triptych.data.worlds.question import Question
from triptych.data.worlds.screens.composing import (
    HELD_OUT_LOOKS,
    change_window,
    compose_window,
    draw_look,
)
from triptych.data.worlds.screens.drawing import draw_window, mark_window
from triptych.data.worlds.screens.questions import (
    Inquiry,
    actions,
    clicks,
    differ,
    presences,
    question,
    states,
)
from triptych.data.worlds.screens.window import Spot, Window, layout
from triptych.data.worlds.screens.words import FIELDS, pick
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing


class Screens:
    """Windows of applications."""

    name = "screens"

    def compose(self, rng: Random, split: Split, prior: float) -> Window:
        return compose_window(rng, split, prior)

    def change(self, facts: Window, rng: Random) -> Window:
        return change_window(rng, facts)

    def vary(self, facts: Window, rng: Random) -> Window:
        held_out = (facts.look.dark, facts.look.accent) in HELD_OUT_LOOKS
        return replace(facts, look=draw_look(rng, held_out=held_out))

    def render(self, facts: Window) -> Drawing:
        return Drawing(pictures=(draw_window(facts),))

    def ask(self, facts: Window, rng: Random, split: Split) -> list[Question]:
        steps = actions(facts, _new_texts(facts, rng, split))
        chosen = [
            *_spread(rng, clicks(facts), 2),
            *_spread(rng, states(facts), 3),
            _presence(facts, rng, split),
            _presence(facts, rng, split),
            Inquiry("read_title"),
            *_spread(rng, steps, 2),
        ]
        asked = [question(inquiry, facts, rng, split) for inquiry in dict.fromkeys(chosen)]
        found = [each for each in asked if each is not None]
        rng.shuffle(found)
        return found

    def contrast(
        self, facts: Window, changed: Window, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        pairs = list(_contrasts(facts, changed, rng, split))
        kinds = sorted({first.kind for first, _ in pairs})
        kind = rng.choice(kinds)
        return rng.choice([pair for pair in pairs if pair[0].kind == kind])

    def describe(self, facts: Window) -> dict[str, Any]:
        return {
            "size": list(facts.size),
            "title": facts.title,
            "dark": facts.look.dark,
            "accent": facts.look.accent,
            "places": [_as_dict(spot) for spot in layout(facts)],
        }

    def marks(self, facts: Window) -> Sequence[Sequence[Mark]]:
        return [mark_window(facts)]


def _new_texts(window: Window, rng: Random, split: Split) -> dict[str, list[str]]:
    """Something else to type into each field."""
    fields = [widget for widget in window.body if widget.kind == "field"]
    return {each.name: [pick(rng, FIELDS[each.name], split, (str(each.state),))] for each in fields}


def _spread(rng: Random, inquiries: Sequence[Inquiry], count: int) -> list[Inquiry]:
    """Some of them, about as different things as there are."""
    shuffled = rng.sample(inquiries, len(inquiries))
    first = {inquiry.topic: inquiry for inquiry in shuffled}
    chosen = rng.sample(list(first.values()), min(count, len(first)))
    rest = [inquiry for inquiry in shuffled if inquiry not in chosen]
    return chosen + rest[: count - len(chosen)]


def _presence(window: Window, rng: Random, split: Split) -> Inquiry:
    """Whether there is something; as often there is as there is not.

    What is absent is something of another window, so that no name is more often absent.
    """
    present = presences(window)
    kind = rng.choice(sorted({inquiry.other for inquiry in present}))
    if rng.random() < 0.5:
        return rng.choice([inquiry for inquiry in present if inquiry.other == kind])
    while True:
        elsewhere = presences(compose_window(rng, split, prior=0.0))
        absent = [each for each in elsewhere if each.other == kind and each not in present]
        if absent:
            return rng.choice(absent)


def _contrasts(
    window: Window, changed: Window, rng: Random, split: Split
) -> Iterator[tuple[Question, Question]]:
    """Every question that the two windows answer differently, asked in the same words."""
    texts: dict[str, list[str]] = {}
    for widget in (*window.body, *changed.body):
        if widget.kind == "field" and widget.state:
            texts.setdefault(widget.name, []).append(str(widget.state))
    inquiries = [Inquiry("read_title")]
    for each in (window, changed):
        inquiries += [*clicks(each), *states(each), *presences(each), *actions(each, texts)]
    for inquiry in dict.fromkeys(inquiries):
        seed = rng.getrandbits(64)
        first, second = (question(inquiry, each, Random(seed), split) for each in (window, changed))
        if first and second and differ(first, second):
            yield first, second


def _as_dict(spot: Spot) -> dict[str, Any]:
    box, widget = spot.box, spot.widget
    return {
        "kind": widget.kind,
        "name": spot.name,
        "of": widget.name,
        "state": spot.name == widget.state if widget.kind in ("tabs", "radio") else widget.state,
        "box": [box.left, box.top, box.right, box.bottom],
    }
