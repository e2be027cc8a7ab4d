"""Questions about what a scene shows as a whole and where its objects are."""

from collections.abc import Mapping, Sequence
from random import Random

from triptych.data.worlds.naming import Description, describe, full_name, listed, name, with_article
from triptych.data.worlds.objects import Thing, box_of, middle_of, outline
from triptych.data.worlds.question import Boxes, BoxPart, Places, PointPart, Question
from triptych.data.worlds.scenes.facts import OPPOSITE, Scene, is_held_out, relations
from triptych.data.worlds.scenes.questions import GROUPS, answered, pick, pick_two, yes_or_no
from triptych.data.worlds.scenes.words import PHRASES
from triptych.data.worlds.wording import Split, word

RELATION_WORDS: Mapping[str, tuple[str, ...]] = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above",),
    "below": ("below", "below", "under"),
}

_ACROSS = ("left or right of", "to the left or to the right of", "right or left of")
_DOWN = ("above or below", "below or above")


# -- caption --------------------------------------------------------------------------------------


def ask_caption(scene: Scene, rng: Random, split: Split) -> Question:
    """What there is: up to three objects in full and how they lie, more by name."""
    text = word(PHRASES, "caption", rng, split)
    return answered("caption", text, captions(scene), things=len(scene.things))


def captions(scene: Scene) -> tuple[str, ...]:
    """True descriptions; the first is the one that is trained on."""
    things = scene.in_order
    if len(things) > 3:
        return (f"{len(things)} objects: {listed([with_article(name(t)) for t in things])}",)
    names = [full_name(thing) for thing in things]
    one = with_article(names[0])
    if len(things) == 1:
        return one, f"there is {one}", f"a picture of {one}"
    two = with_article(names[1])
    relation = _mainly(things[0], things[1])
    pair = f"{one} {RELATION_WORDS[relation][0]} {two}"
    if len(things) == 2:
        return pair, f"{two} {RELATION_WORDS[OPPOSITE[relation]][0]} {one}"
    last = RELATION_WORDS[_mainly(things[2], things[1])][0]
    return (f"{pair}, and {with_article(names[2])} {last} the {names[1]}",)


def _mainly(first: Thing, second: Thing) -> str:
    """Where the first is, seen from the second, along the axis that parts them most."""
    across, down = first.x - second.x, first.y - second.y
    if abs(across) > abs(down):
        return "left" if across < 0 else "right"
    return "above" if down < 0 else "below"


# -- relation -------------------------------------------------------------------------------------


def ask_relation(scene: Scene, rng: Random, split: Split) -> Question | None:
    """How two objects lie, where nobody could doubt it."""
    found = pick_two(scene, rng, (), lambda one, other: relations(one, other, scene.size))
    if found is None:
        return None
    (one, phrase), (other, other_phrase) = found
    relation = rng.choice(relations(one, other, scene.size))
    return relation_questions(
        [(relation, is_held_out(one) or is_held_out(other))], phrase, other_phrase, rng, split
    )[0]


def relation_questions(
    cases: Sequence[tuple[str, bool]], phrase: str, other_phrase: str, rng: Random, split: Split
) -> list[Question]:
    """One text asked of several scenes, in each of which the true relation is another."""
    form = rng.choice(("yesno", "choice"))
    asked = rng.choice((cases[0][0], OPPOSITE[cases[0][0]]))
    axis = "across" if asked in ("left", "right") else "down"
    options = rng.choice(_ACROSS if axis == "across" else _DOWN)
    slots = {"relation": rng.choice(RELATION_WORDS[asked]), "options": options}
    text = word(PHRASES, f"relation/{form}", rng, split, thing=phrase, other=other_phrase, **slots)
    return [
        answered(
            "relation",
            text,
            yes_or_no(relation == asked) if form == "yesno" else (relation,),
            form=form,
            axis=axis,
            held_out=held_out,
        )
        for relation, held_out in cases
    ]


# -- places ---------------------------------------------------------------------------------------


def ask_locate(scene: Scene, rng: Random, split: Split) -> Question | None:
    """The box of one object."""
    found = pick(scene, rng, split)
    if found is None:
        return None
    thing, phrase = found
    return Question(
        kind="scenes/locate",
        text=word(PHRASES, "locate", rng, split, thing=phrase),
        answer=(BoxPart(box_of(thing), phrase),),
        truth=Boxes(((phrase, box_of(thing)),)),
        tags={"held_out": is_held_out(thing), "size": thing.size},
    )


def ask_point(scene: Scene, rng: Random, split: Split) -> Question | None:
    """A point on one object."""
    found = pick(scene, rng, split)
    if found is None:
        return None
    thing, phrase = found
    return Question(
        kind="scenes/point",
        text=word(PHRASES, "point", rng, split, thing=phrase),
        answer=(PointPart(middle_of(thing), phrase),),
        truth=Places((outline(thing),)),
        tags={"held_out": is_held_out(thing), "size": thing.size},
    )


def ask_detect(scene: Scene, rng: Random, split: Split) -> Question:
    """The boxes of all objects, or of all of a kind, as one reads."""
    wanted = Description()
    if len(scene.things) > 6 or rng.random() < 0.7:
        wanted = describe(rng.choice(scene.things), rng.choice(GROUPS))
    found = [thing for thing in scene.in_order if wanted.fits(thing)]
    boxes = tuple(
        (name(thing) if wanted == Description() else wanted.phrase, box_of(thing))
        for thing in found
    )
    return Question(
        kind="scenes/detect",
        text=word(PHRASES, "detect", rng, split, things=wanted.plural),
        answer=tuple(BoxPart(box, label) for label, box in boxes),
        truth=Boxes(boxes),
        tags={"count": len(boxes)},
    )
