"""One question about a scene and its twin, whose answers differ."""

from collections.abc import Sequence
from random import Random

from triptych.data.worlds.naming import ATTRIBUTES, Description, describe, references
from triptych.data.worlds.question import Question
from triptych.data.worlds.scenes.facts import Change, Scene, is_held_out, relations
from triptych.data.worlds.scenes.places import relation_questions
from triptych.data.worlds.scenes.questions import (
    attribute_question,
    count_question,
    existence_question,
    existence_text,
)
from triptych.data.worlds.scenes.words import PHRASES
from triptych.data.worlds.wording import Split, word


def contrast_scenes(
    scene: Scene, changed: Scene, change: Change, rng: Random, split: Split
) -> tuple[Question, Question]:
    """One text asked of a scene and its twin, whose answers differ."""
    if change.kind == "swapped":
        return _contrast_places(scene, change, rng, split)
    ways = [_contrast_counts, _contrast_existence]
    if change.kind in ATTRIBUTES:
        ways += [_contrast_attributes, _contrast_attributes]
    for way in rng.sample(ways, len(ways)):
        if pair := way(scene, changed, change, rng, split):
            return pair
    raise AssertionError("a count of what was changed always differs")


def _contrast_attributes(
    scene: Scene, changed: Scene, change: Change, rng: Random, split: Split
) -> tuple[Question, Question] | None:
    assert change.before is not None and change.after is not None
    phrases = references(change.before, scene.things, (change.kind,))
    if not phrases:
        return None
    text = word(PHRASES, f"attribute/{change.kind}", rng, split, thing=rng.choice(phrases[:4]))
    return (
        attribute_question(change.before, change.kind, text),
        attribute_question(change.after, change.kind, text),
    )


def _contrast_existence(
    scene: Scene, changed: Scene, change: Change, rng: Random, split: Split
) -> tuple[Question, Question] | None:
    wanted = _what_was_changed(change, rng, ("colour", "shape"))
    counts = wanted.count(scene.things), wanted.count(changed.things)
    if all(counts) or not any(counts):
        return None
    text = existence_text(wanted, rng, split)
    return (
        existence_question(scene, wanted, text, "twin"),
        existence_question(changed, wanted, text, "twin"),
    )


def _contrast_counts(
    scene: Scene, changed: Scene, change: Change, rng: Random, split: Split
) -> tuple[Question, Question]:
    wanted = _what_was_changed(change, rng, rng.choice((("colour",), ("shape",), ())))
    text = word(PHRASES, "count", rng, split, things=wanted.plural)
    return count_question(scene, wanted, text), count_question(changed, wanted, text)


def _what_was_changed(change: Change, rng: Random, attributes: Sequence[str]) -> Description:
    """The thing before or after, by these attributes and the one that changed."""
    thing = rng.choice([thing for thing in (change.before, change.after) if thing])
    if change.kind in ATTRIBUTES and change.kind not in attributes:
        attributes = (change.kind, *attributes)
    return describe(thing, attributes)


def _contrast_places(
    scene: Scene, change: Change, rng: Random, split: Split
) -> tuple[Question, Question]:
    one, other = change.before, change.partner_before
    moved, other_moved = change.after, change.partner_after
    assert one and other and moved and other_moved
    phrase = rng.choice(references(one, scene.things)[:4])
    other_phrase = rng.choice(references(other, scene.things)[:4])
    axis = rng.randrange(len(relations(one, other, scene.size)))
    cases = [
        (relations(first, second, scene.size)[axis], is_held_out(one) or is_held_out(other))
        for first, second in ((one, other), (moved, other_moved))
    ]
    first, second = relation_questions(cases, phrase, other_phrase, rng, split)
    return first, second
