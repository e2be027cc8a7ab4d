"""What is asked about clips, and in which words."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from random import Random

from triptych.data.worlds import more_ways
from triptych.data.worlds.asking import Asking, counts, says
from triptych.data.worlds.clips.facts import BEAT, ClipFacts, Mover, happenings
from triptych.data.worlds.clips.plots import comparable, one_after_another
from triptych.data.worlds.wording import Phrases, with_more

PHRASES: dict[str, Phrases] = with_more(
    {
        "clips/direction": Phrases(
            seen=(
                "Which way does the {name} move?",
                "In which direction does the {name} move?",
                "Where does the {name} go: left, right, up or down?",
                "What is the direction of the {name}?",
                "The {name} moves in which direction?",
                "Tell me which way the {name} moves.",
                "Does the {name} move left, right, up, down, or not at all?",
                "Which direction does the {name} take?",
                "Left, right, up or down: which way does the {name} go?",
                "Towards which side is the {name} moving?",
                "Watch the {name}. Which way does it go?",
                "Say in which direction the {name} travels.",
            ),
            unseen=(
                "Where is the {name} heading?",
                "What way is the {name} travelling?",
                "Follow the {name} and name the direction of its motion.",
                "If the {name} moves, which way is that?",
            ),
        ),
        "clips/order": Phrases(
            seen=(
                "Which came first, the {one} or the {other}?",
                "Which appears first, the {one} or the {other}?",
                "What is seen first: the {one} or the {other}?",
                "Was the {one} or the {other} there first?",
                "Which of the two comes earlier, the {one} or the {other}?",
                "Does the {one} or the {other} appear earlier?",
                "Of the {one} and the {other}, which shows up first?",
                "Who is first to appear, the {one} or the {other}?",
                "The {one} and the {other}: which comes first?",
                "Tell me which is visible first, the {one} or the {other}.",
                "Between the {one} and the {other}, what appears first?",
            ),
            unseen=(
                "Which one turns up before the other, the {one} or the {other}?",
                "In order of appearance, is the {one} or the {other} ahead?",
                "What enters the clip sooner, the {one} or the {other}?",
            ),
        ),
        "clips/speed": Phrases(
            seen=(
                "Which moves faster, the {one} or the {other}?",
                "Which is faster, the {one} or the {other}?",
                "What moves more quickly: the {one} or the {other}?",
                "Is the {one} or the {other} faster?",
                "Of the {one} and the {other}, which is quicker?",
                "Does the {one} or the {other} move at a higher speed?",
                "Who is quicker, the {one} or the {other}?",
                "The {one} and the {other} move. Which is the faster?",
                "Tell me which has the higher speed, the {one} or the {other}.",
                "Compare the {one} with the {other}: which moves faster?",
                "Between the {one} and the {other}, what is faster?",
            ),
            unseen=(
                "Which one covers more ground in the same time, the {one} or the {other}?",
                "In a race of the {one} and the {other}, which would win?",
                "What travels at the greater speed, the {one} or the {other}?",
            ),
        ),
        "clips/count_end": Phrases(
            seen=(
                "How many objects are there at the end?",
                "How many objects are visible at the end?",
                "How many objects does the last frame show?",
                "At the end of the clip, how many objects are left?",
                "Count the objects at the end.",
                "When the clip ends, how many objects can be seen?",
                "What is the number of objects at the end?",
                "How many things are in the final frame?",
                "How many shapes are there in the end?",
                "Tell me how many objects there are at the end of the video.",
                "In the last frame, how many objects do you see?",
            ),
            unseen=(
                "How many objects remain when the clip is over?",
                "With how many objects does the video end?",
                "Give the count of objects in the closing frame.",
            ),
        ),
        "clips/window": Phrases(
            seen=(
                "What happens between {start} s and {end} s?",
                "What happens from {start} s to {end} s?",
                "Between {start} s and {end} s, what happens?",
                "What can be seen happening between {start} and {end} seconds?",
                "Describe what happens between {start} s and {end} s.",
                "What takes place from second {start} to second {end}?",
                "Say what happens from {start} s until {end} s.",
                "From {start} s to {end} s of the clip, what happens?",
                "What changes between {start} s and {end} s?",
                "What goes on between {start} s and {end} s?",
                "Look at {start} s to {end} s. What happens?",
            ),
            unseen=(
                "What occurs between {start} s and {end} s?",
                "Tell me about the time from {start} s to {end} s.",
                "In the interval from {start} to {end} seconds, what do you see happen?",
            ),
        ),
    },
    more_ways.CLIPS,
)

_SAID = {
    "left": ("left", "to the left", "it moves left", "leftwards"),
    "right": ("right", "to the right", "it moves right", "rightwards"),
    "up": ("up", "upwards", "it moves up"),
    "down": ("down", "downwards", "it moves down"),
    "": ("it does not move", "it doesn't move", "it stays still", "not at all", "nowhere"),
}
"""What may be answered about a direction."""

_VERBS = ("moves", "disappears", "appears", "happens")


def all_askings(facts: ClipFacts) -> list[Asking]:
    """Everything that can be asked of a clip."""
    movers = facts.movers
    num_end = sum(mover.is_seen(facts.num_frames - 1) for mover in movers)
    askings = [counts("clips/count_end", {}, num_end, tags=_tags(facts))]
    askings += [direction(mover, facts) for mover in movers if _direction_is_seen(mover)]
    for one, other in permutations(movers, 2):
        if one_after_another(one, other):
            first = min(one, other, key=lambda mover: mover.appears)
            gap = abs(one.appears - other.appears)
            askings.append(_which("clips/order", one, other, first, _tags(facts, gap_frames=gap)))
        if comparable(one, other):
            fast, slow = sorted((one, other), key=lambda mover: -mover.step)
            tags = _tags(facts, ratio=round(fast.step / slow.step, 2))
            askings.append(_which("clips/speed", one, other, fast, tags))
    return askings + windows(facts)


def direction(mover: Mover, facts: ClipFacts) -> Asking:
    """Which way it moves, or that it does not."""
    tags = _tags(facts, pixels=round(mover.step * (mover.stops - mover.starts), 1))
    slots = {"name": mover.name}
    return says("clips/direction", slots, *_SAID[mover.direction or ""], tags=tags)


def _direction_is_seen(mover: Mover) -> bool:
    # What is gone by the next frame might have moved.
    if not mover.direction:
        return mover.vanishes - mover.appears >= BEAT
    return mover.is_seen(mover.starts) and mover.is_seen(mover.stops)


def windows(facts: ClipFacts) -> list[Asking]:
    """What happens in each second in which it is one thing or nothing."""
    askings: list[Asking] = []
    for beat in range(facts.num_frames // BEAT):
        said = happenings(facts.movers, facts.num_frames, beat) or ["nothing happens"]
        if len(said) == 1:
            slots = {"start": str(beat), "end": str(beat + 1)}
            what = next(verb for verb in _VERBS if f" {verb}" in said[0])
            askings.append(says("clips/window", slots, said[0], tags=_tags(facts, what=what)))
    return askings


def _which(
    kind: str, one: Mover, other: Mover, answer: Mover, tags: Mapping[str, str | int | float]
) -> Asking:
    slots = {"one": one.name, "other": other.name}
    return says(kind, slots, f"the {answer.name}", answer.name, tags=tags)


def _tags(facts: ClipFacts, **more: str | int | float) -> dict[str, str | int | float]:
    """What evaluation selects questions by."""
    return {"num_frames": facts.num_frames, "num_objects": len(facts.movers), **more}


def choose(facts: ClipFacts, rng: Random) -> list[Asking]:
    """A fair choice: no object twice in a question, and not too many that stand still."""
    askings = all_askings(facts)
    chosen: list[Asking] = _of(askings, "clips/count_end")
    directions = _of(askings, "clips/direction")
    chosen += [one for one in directions if not _is_still(one)]
    still = [one for one in directions if _is_still(one)]
    chosen += rng.sample(still, min(len(still), rng.random() < 0.45))
    for kind in ("clips/order", "clips/speed"):
        asked = _of(askings, kind)
        # Each pair in one of its two orders.
        pairs = {frozenset(one.slots.values()): one for one in rng.sample(asked, len(asked))}
        chosen += pairs.values()
    asked = _of(askings, "clips/window")
    return chosen + rng.sample(asked, min(len(asked), 3))


def _of(askings: Sequence[Asking], kind: str) -> list[Asking]:
    return [one for one in askings if one.kind == kind]


def _is_still(asking: Asking) -> bool:
    return asking.answer == _SAID[""][:1]
