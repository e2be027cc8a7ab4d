"""What objects are called: names, plurals, numerals, and phrases that mean one among several."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from random import Random

from triptych.data.worlds.objects import Thing

ATTRIBUTES: tuple[str, ...] = ("size", "colour", "texture", "shape")
"""What names are made of, in the order in which it is said."""

NUMERALS: tuple[str, ...] = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
)

_CHOICES = tuple(chosen for count in range(1, 5) for chosen in combinations(ATTRIBUTES, count))


def name(thing: Thing, attributes: Iterable[str] = ("colour", "shape")) -> str:
    """Its name by these attributes, like `large red striped triangle` or `red object`."""
    said = [getattr(thing, key) for key in ATTRIBUTES if key in attributes]
    return " ".join(said if "shape" in attributes else [*said, "object"])


def plural(phrase: str) -> str:
    """More than one: `red crosses`."""
    return phrase + ("es" if phrase.endswith("s") else "s")


def with_article(phrase: str) -> str:
    """One of it: `a red circle`, `an orange circle`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def listed(phrases: Sequence[str]) -> str:
    """An enumeration: `a`, `a and b`, `a, b and c`."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def references(thing: Thing, things: Iterable[Thing], hidden: Iterable[str] = ()) -> list[str]:
    """Phrases without article that mean this thing alone, the shortest first.

    Those that say one of the `hidden` attributes, which the question asks for, are left out.
    """
    others = [other for other in things if other is not thing]
    hidden = set(hidden)
    differing = [
        {key for key in ATTRIBUTES if getattr(other, key) != getattr(thing, key)}
        for other in others
    ]
    return [
        name(thing, chosen)
        for chosen in _CHOICES
        if hidden.isdisjoint(chosen) and not any(gap.isdisjoint(chosen) for gap in differing)
    ]


def refer(
    thing: Thing, things: Iterable[Thing], rng: Random, hidden: Iterable[str] = ()
) -> str | None:
    """A phrase that means this thing alone, mostly a short one; None where there is none."""
    phrases = references(thing, things, hidden)
    if not phrases:
        return None
    return phrases[0] if rng.random() < 0.4 else rng.choice(phrases[:5])
