"""Questions about a scene of coloured objects, each kind by one function.

A function returns None where its question cannot be asked of this scene.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TypeAlias

from triptych.data.worlds.naming import (
    NUMERALS,
    Description,
    describe,
    refer,
    with_article,
)
from triptych.data.worlds.objects import (
    HELD_OUT,
    Thing,
)
from triptych.data.worlds.question import Question, Words
from triptych.data.worlds.scenes.facts import DRAWN, POPULAR, Scene, is_held_out
from triptych.data.worlds.scenes.words import PHRASES
from triptych.data.worlds.wording import Split, word

Ask: TypeAlias = Callable[[Scene, Random, Split], Question | None]

_ALSO: Mapping[str, tuple[str, ...]] = {
    "grey": ("gray",),
    "purple": ("violet",),
    "cyan": ("turquoise", "light blue"),
    "cross": ("plus",),
    "crescent": ("moon", "crescent moon"),
    "ring": ("donut",),
    "diamond": ("rhombus",),
    "striped": ("stripes",),
    "dotted": ("dots",),
}
"""Other names for what is asked, which are as right."""


def answered(
    kind: str, text: str, accepted: tuple[str, ...], **tags: str | int | float | bool
) -> Question:
    """A question of this world whose answer is a few words, the first of those accepted."""
    return Question(
        kind=f"scenes/{kind}", text=text, answer=accepted[:1], truth=Words(accepted), tags=tags
    )


def yes_or_no(is_true: bool) -> tuple[str, ...]:
    """The answer to a question that can be denied."""
    return ("yes",) if is_true else ("no",)


def pick(
    scene: Scene, rng: Random, split: Split, hidden: Sequence[str] = ()
) -> tuple[Thing, str] | None:
    """A thing, and a phrase that means it alone; half the time one that training never shows."""
    things = rng.sample(scene.things, len(scene.things))
    if split == "combinations" and rng.random() < 0.5:
        things.sort(key=is_held_out, reverse=True)
    for thing in things:
        if phrase := refer(thing, scene.things, rng, hidden):
            return thing, phrase
    return None


# -- attribute ------------------------------------------------------------------------------------


def ask_attribute(scene: Scene, rng: Random, split: Split) -> Question | None:
    """Colour, shape, size or texture of one object."""
    attribute = rng.choice(("colour", "colour", "shape", "shape", "size", "texture"))
    found = pick(scene, rng, split, (attribute,))
    if found is None:
        return None
    text = word(PHRASES, f"attribute/{attribute}", rng, split, thing=found[1])
    return attribute_question(found[0], attribute, text)


def attribute_question(thing: Thing, attribute: str, text: str) -> Question:
    """Asked in this text of a thing that it means."""
    accepted, held_out = attribute_answers(thing, attribute), is_held_out(thing)
    return answered("attribute", text, accepted, attribute=attribute, held_out=held_out)


def attribute_answers(thing: Thing, attribute: str) -> tuple[str, ...]:
    """Its value, and other names for that."""
    value: str = getattr(thing, attribute)
    return (value, *_ALSO.get(value, ()))


# -- existence ------------------------------------------------------------------------------------

FAMILIES: tuple[str, ...] = ("random", "popular", "adversarial")
"""How POPE chooses what is not there: anything, what is frequent, what resembles what is there.
https://arxiv.org/abs/2305.10355"""

_LOOKED_AT: tuple[tuple[str, ...], ...] = (
    *[("colour", "shape")] * 5,
    *(("texture", "shape"), ("colour", "texture"), ("size", "shape")),
    ("colour", "texture", "shape"),
    ("size", "colour", "shape"),
)
_LOOKED_AT_ALONE: tuple[tuple[str, ...], ...] = (*_LOOKED_AT, *[("colour",), ("shape",)] * 2)


def ask_existence(scene: Scene, rng: Random, split: Split) -> Question | None:
    """Whether there is something; as often yes as no, in each family of negatives."""
    popular = [thing for thing in scene.things if (thing.colour, thing.shape) in POPULAR]
    family = rng.choice(FAMILIES if popular else ("random", "adversarial"))
    attributes = ("colour", "shape")
    if family != "popular":
        attributes = rng.choice(_LOOKED_AT_ALONE if family == "random" else _LOOKED_AT)
    present = describe(rng.choice(popular if family == "popular" else scene.things), attributes)
    # Both are found before the coin is thrown, so that neither is rarer.
    absent = _absent(scene, rng, family, attributes, names_held_out(present))
    if absent is None:
        return None
    wanted = rng.choice((present, absent))
    text = existence_text(wanted, rng, split)
    return existence_question(scene, wanted, text, family)


def existence_text(wanted: Description, rng: Random, split: Split) -> str:
    """Whether there is such a thing, in words."""
    return word(
        PHRASES,
        "existence",
        rng,
        split,
        a_thing=with_article(wanted.phrase),
        things=wanted.plural,
    )


def existence_question(scene: Scene, wanted: Description, text: str, family: str) -> Question:
    """Asked in this text, answered by looking."""
    is_there = any(map(wanted.fits, scene.things))
    return answered(
        "existence",
        text,
        yes_or_no(is_there),
        family=family,
        negatives="none" if is_there else family,
        held_out=names_held_out(wanted),
    )


def _absent(
    scene: Scene,
    rng: Random,
    family: str,
    attributes: Sequence[str],
    is_held_out_pair: bool = False,
) -> Description | None:
    """Something that is not there, of this family; of a held-out pair or not, as asked.

    Values are drawn as those of the things are, or the words would give the answer away. And in
    training a held-out pair would always be absent, which could be learnt.
    """
    for _ in range(20):
        if is_held_out_pair:
            wanted = _held_out(scene, rng, family, attributes)
        elif family == "popular":
            colour, shape = rng.choice(POPULAR)
            wanted = Description(colour=colour, shape=shape)
        elif family == "random":
            wanted = Description(**{key: _drawn(key, scene, rng) for key in attributes})
        else:
            wanted = _nearly(scene, rng, attributes)
        if names_held_out(wanted) == is_held_out_pair and not wanted.count(scene.things):
            return wanted
    return None


def _nearly(scene: Scene, rng: Random, attributes: Sequence[str]) -> Description:
    """Like one of the things but for one attribute, taken from another thing if need be."""
    one, other = rng.choice(scene.things), rng.choice(scene.things)
    key = rng.choice(attributes)
    value = getattr(other, key)
    if value == getattr(one, key):
        value = _drawn(key, scene, rng)
    return replace(describe(one, attributes), **{key: value})


def _drawn(key: str, scene: Scene, rng: Random) -> str:
    # Where there are many things, none is large.
    return rng.choice(scene.things).size if key == "size" else rng.choice(DRAWN[key])


def _held_out(scene: Scene, rng: Random, family: str, attributes: Sequence[str]) -> Description:
    """A held-out pair; if adversarial, of the colour or the shape of a thing."""
    colour, shape = rng.choice(sorted(HELD_OUT))
    one = rng.choice(scene.things)
    if family == "adversarial":
        near = [pair for pair in sorted(HELD_OUT) if one.colour in pair or one.shape in pair]
        colour, shape = rng.choice(near)
    return replace(describe(one, attributes), colour=colour, shape=shape)


def names_held_out(wanted: Description) -> bool:
    """Whether this is of a colour and a shape that training never pairs."""
    return (wanted.colour, wanted.shape) in HELD_OUT


# -- count and comparison -------------------------------------------------------------------------

GROUPS: tuple[tuple[str, ...], ...] = (
    *(("colour",), ("shape",)) * 3,
    *(("texture",), ("size",), ("colour", "shape"), ("texture", "shape")),
)


def ask_count(scene: Scene, rng: Random, split: Split) -> Question | None:
    """How many objects there are, in all or of a kind; sometimes none."""
    if rng.random() < 0.2:
        wanted = Description()
    else:
        attributes = rng.choice(GROUPS)
        # The larger of two groups, or one would be the answer to most questions.
        groups = [describe(rng.choice(scene.things), attributes) for _ in range(2)]
        wanted = max(groups, key=lambda group: group.count(scene.things))
        if rng.random() < 0.12:
            wanted = _absent(scene, rng, "random", attributes)
    if wanted is None:
        return None
    return count_question(scene, wanted, word(PHRASES, "count", rng, split, things=wanted.plural))


def count_question(scene: Scene, wanted: Description, text: str) -> Question:
    """Asked in this text, answered by counting, in digits."""
    count = wanted.count(scene.things)
    also = "none" if count == 0 else NUMERALS[count]
    return answered("count", text, (str(count), also), count=count)


def ask_comparison(scene: Scene, rng: Random, split: Split) -> Question | None:
    """Of which there are more, or which is larger."""
    form = rng.choice(("more", "which", "larger"))
    return _ask_larger(scene, rng, split) if form == "larger" else _more(form, scene, rng, split)


def _more(form: str, scene: Scene, rng: Random, split: Split) -> Question | None:
    key = rng.choice(("colour", "shape"))
    for _ in range(8):
        one = describe(rng.choice(scene.things), (key,))
        other = describe(rng.choice(scene.things), (key,))
        if rng.random() < 0.2:
            other = Description(**{key: rng.choice(DRAWN[key])})
        counts = one.count(scene.things), other.count(scene.things)
        if counts[0] != counts[1]:
            break
    else:
        return None
    pair = [one, other] if rng.random() < 0.5 else [other, one]
    is_more = pair[0].count(scene.things) > pair[1].count(scene.things)
    these, those = pair[0].plural, pair[1].plural
    text = word(PHRASES, f"comparison/{form}", rng, split, these=these, those=those)
    accepted = yes_or_no(is_more) if form == "more" else (these if is_more else those,)
    return answered("comparison", text, accepted, form=form)


def _ask_larger(scene: Scene, rng: Random, split: Split) -> Question | None:
    found = pick_two(scene, rng, ("size",), lambda one, other: one.size != other.size)
    if found is None:
        return None
    (one, phrase), (other, other_phrase) = found
    text = word(PHRASES, "comparison/larger", rng, split, thing=phrase, other=other_phrase)
    return answered("comparison", text, yes_or_no(one.radius > other.radius), form="larger")


def pick_two(
    scene: Scene,
    rng: Random,
    hidden: Sequence[str],
    can_be_asked: Callable[[Thing, Thing], object],
) -> tuple[tuple[Thing, str], tuple[Thing, str]] | None:
    """Two things that can be named and asked about together, and their names."""
    for _ in range(6 if len(scene.things) > 1 else 0):
        one, other = rng.sample(scene.things, 2)
        if not can_be_asked(one, other):
            continue
        phrase = refer(one, scene.things, rng, hidden)
        other_phrase = refer(other, scene.things, rng, hidden)
        if phrase and other_phrase:
            return (one, phrase), (other, other_phrase)
    return None
