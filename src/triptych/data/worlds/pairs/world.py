"""Two to four small pictures: what differs, which one has it, and names learnt from examples."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from triptych.data.worlds.marks import Mark, mark_thing
from triptych.data.worlds.naming import (
    ATTRIBUTES,
    NUMERALS,
    Description,
    describe,
    full_name,
    listed,
    name,
    with_article,
)
from triptych.data.worlds.objects import Thing, draw_things
from triptych.data.worlds.pairs.albums import (
    Album,
    change_album,
    compose_album,
    marks,
    vary_album,
)
from triptych.data.worlds.pairs.words import ORDINALS, PHRASES
from triptych.data.worlds.question import Question, Words
from triptych.data.worlds.scenes.facts import Change, is_held_out
from triptych.data.worlds.scenes.questions import attribute_answers, names_held_out, pick
from triptych.data.worlds.scenes.world import describe_scene
from triptych.data.worlds.wording import Split, word
from triptych.data.worlds.world import Drawing


class Pairs:
    """Albums of small scenes."""

    name: str = "pairs"

    def compose(self, rng: Random, split: Split, prior: float) -> Album:
        """Fresh facts; `prior` is how often a shape has the colour that `PRIOR` names."""
        return compose_album(rng, split, prior)

    def change(self, facts: Album, rng: Random) -> Album:
        """Another answer to what the album is about."""
        return change_album(facts, rng)

    def vary(self, facts: Album, rng: Random) -> Album:
        """Other shades, stripes and grounds; nothing moves."""
        return vary_album(facts, rng)

    def render(self, facts: Album) -> Drawing:
        """The pictures in order."""
        return Drawing(
            pictures=tuple(
                draw_things(scene.size, scene.background, scene.things) for scene in facts.scenes
            )
        )

    def ask(self, facts: Album, rng: Random, split: Split) -> Sequence[Question]:
        """About half a dozen questions, no two in the same words."""
        ask_own = _ask_few_shot if facts.mode == "few_shot" else _ask_changes
        times = 1 if facts.mode == "few_shot" else 2
        asked = [
            *ask_own(facts, rng, split),
            *(_ask_which(facts, rng, split) for _ in range(times)),
            *(_ask_attribute(facts, rng, split) for _ in range(times)),
            _ask_count(facts, rng, split),
        ]
        different = list({question.text: question for question in asked if question}.values())
        rng.shuffle(different)
        return different

    def contrast(
        self, facts: Album, changed: Album, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        """The same, the difference, the place or the name, whichever the album is about."""
        return contrast_albums(facts, changed, rng, split)

    def describe(self, facts: Album) -> dict[str, Any]:
        """All pictures with all objects, and the rule if there is one."""
        rule = facts.rule
        return {
            "mode": facts.mode,
            "pictures": [describe_scene(scene) for scene in facts.scenes],
            "rule": rule and {"attribute": rule.attribute, "words": dict(rule.words)},
        }

    def marks(self, facts: Album) -> Sequence[Sequence[Mark]]:
        """The objects of each picture."""
        return [[mark_thing(thing) for thing in scene.things] for scene in facts.scenes]


def contrast_albums(
    album: Album, changed: Album, rng: Random, split: Split
) -> tuple[Question, Question]:
    """One text asked of an album and its twin, whose answers differ."""
    if album.mode == "few_shot":
        text = few_shot_text(album, rng, split)
        return few_shot_question(album, text), few_shot_question(changed, text)
    if album.mode == "before_after":
        kind = rng.choice(("same", "difference"))
        ask, text = _BEFORE_AFTER[kind], word(PHRASES, kind, rng, split)
        return ask(album, text), ask(changed, text)
    moved = [i for i, scene in enumerate(album.scenes) if scene != changed.scenes[i]]
    wanted = rng.choice(marks(album, rng.choice(moved)))
    text = _which_text(wanted, rng, split)
    return which_question(album, wanted, text), which_question(changed, wanted, text)


def _answered(
    kind: str, text: str, accepted: tuple[str, ...], album: Album, **tags: str | int | bool
) -> Question:
    return Question(
        kind=f"pairs/{kind}",
        text=text,
        answer=accepted[:1],
        truth=Words(accepted),
        tags={"pictures": len(album.scenes), **tags},
    )


# -- before and after -----------------------------------------------------------------------------


def _ask_changes(album: Album, rng: Random, split: Split) -> list[Question]:
    if album.mode != "before_after":
        return []
    asked = [same_question(album, word(PHRASES, "same", rng, split))]
    # Not too often that nothing changed.
    if not album.is_same or rng.random() < 0.25:
        asked.append(difference_question(album, word(PHRASES, "difference", rng, split)))
    return asked


def same_question(album: Album, text: str) -> Question:
    """Whether both pictures show the same facts."""
    return _answered("same", text, ("yes",) if album.is_same else ("no",), album)


def difference_question(album: Album, text: str) -> Question:
    """What was changed, if anything."""
    before, after = album.scenes
    change = after.change
    if change is None:
        accepted = ("nothing", "nothing changed", "no difference")
    else:
        accepted = differences(change, before.things, after.things)
    kind = "none" if change is None else change.kind
    return _answered("difference", text, accepted, album, change=kind)


_BEFORE_AFTER = {"same": same_question, "difference": difference_question}


def differences(change: Change, before: Sequence[Thing], after: Sequence[Thing]) -> tuple[str, ...]:
    """True sentences about a change; the first is the one that is trained on."""
    thing, new = change.before, change.after
    if thing is None:
        assert new is not None
        return _once(f"{with_article(said)} was added" for said in _names(new, after))
    if new is None:
        return _once(f"the {said} was removed" for said in _names(thing, before))
    if change.partner_before is not None:
        ones, others = _names(thing, before), _names(change.partner_before, before)
        return _once(
            f"the {one} and the {other} swapped places"
            for one, other in [*zip(ones, others, strict=True), *zip(others, ones, strict=True)]
        )
    value: str = getattr(new, change.kind)
    became = with_article(value) if change.kind == "shape" else value
    whole = with_article(name(new))
    ends = (became, whole) if change.kind in ("colour", "shape") else (became,)
    return _once(f"the {said} became {end}" for end in ends for said in _names(thing, before))


def _names(thing: Thing, things: Sequence[Thing]) -> list[str]:
    """Colour and shape, and everything; the latter first where the former would not do."""
    short = describe(thing)
    names = [short.phrase, full_name(thing)]
    return names if short.count(things) == 1 else names[::-1]


def _once(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


# -- one picture among several -------------------------------------------------------------------


def _ask_which(album: Album, rng: Random, split: Split) -> Question | None:
    found = marks(album, rng.randrange(len(album.scenes)))
    if not found:
        return None
    wanted = rng.choice(found)
    return which_question(album, wanted, _which_text(wanted, rng, split))


def _which_text(wanted: Description, rng: Random, split: Split) -> str:
    return word(PHRASES, "which", rng, split, a_thing=with_article(wanted.phrase))


def which_question(album: Album, wanted: Description, text: str) -> Question:
    """The one picture that has it, by its number in words."""
    (index,) = (i for i, scene in enumerate(album.scenes) if wanted.count(scene.things))
    ordinal, digit = ORDINALS[index], str(index + 1)
    accepted = (f"the {ordinal}", ordinal, f"the {ordinal} picture", digit, f"picture {digit}")
    return _answered("which", text, accepted, album, held_out=names_held_out(wanted))


def _ask_count(album: Album, rng: Random, split: Split) -> Question:
    index = rng.randrange(len(album.scenes))
    there = album.scenes[index].things
    # Also what is in another picture only.
    seen = [thing for scene in album.scenes for thing in scene.things]
    looked_at = rng.choice(((), ("colour",), ("shape",), ("texture",)))
    groups = [describe(rng.choice(seen), looked_at) for _ in range(2)]
    if rng.random() < 0.8:
        groups += [describe(rng.choice(there), looked_at) for _ in range(2)]
    wanted = max(groups, key=lambda group: group.count(there))
    slots = {"things": wanted.plural, "picture": _picture(index, rng)}
    text = word(PHRASES, "count", rng, split, **slots)
    count = wanted.count(there)
    return _answered(
        "count", text, (str(count), NUMERALS[count] if count else "none"), album, count=count
    )


def _ask_attribute(album: Album, rng: Random, split: Split) -> Question | None:
    index, attribute = rng.randrange(len(album.scenes)), rng.choice(ATTRIBUTES)
    found = pick(album.scenes[index], rng, split, (attribute,))
    if found is None:
        return None
    thing, phrase = found
    slots = {"thing": phrase, "attribute": attribute, "picture": _picture(index, rng)}
    text = word(PHRASES, "attribute", rng, split, **slots)
    accepted, held_out = attribute_answers(thing, attribute), is_held_out(thing)
    return _answered("attribute", text, accepted, album, attribute=attribute, held_out=held_out)


def _picture(index: int, rng: Random) -> str:
    return rng.choice((f"the {ORDINALS[index]} picture", f"picture {index + 1}"))


# -- few shots ------------------------------------------------------------------------------------


def _ask_few_shot(album: Album, rng: Random, split: Split) -> list[Question]:
    """Twice, in different words, as there is little else to ask."""
    return [few_shot_question(album, few_shot_text(album, rng, split)) for _ in range(2)]


def few_shot_text(album: Album, rng: Random, split: Split) -> str:
    """All names but the last, and a question for that one."""
    shown = list(enumerate(album.labels()[:-1], 1))
    sentence = listed([f"picture {number} is {with_article(label)}" for number, label in shown])
    return word(
        PHRASES,
        "few_shot",
        rng,
        split,
        sentence=f"{sentence[0].upper()}{sentence[1:]}.",
        lines=", ".join(f"{number}: {label}" for number, label in shown),
        last=len(album.scenes),
    )


def few_shot_question(album: Album, text: str) -> Question:
    """What the last picture is called."""
    assert album.rule is not None
    label = album.label
    return _answered(
        "few_shot",
        text,
        (label, with_article(label)),
        album,
        rule=album.rule.attribute,
        held_out=is_held_out(album.scenes[-1].things[0]),
    )
