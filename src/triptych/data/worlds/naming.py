"""What objects are called: names, plurals, numerals, and phrases that mean one among several."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from triptych.data.worlds.objects import Thing

ATTRIBUTES: tuple[str, ...] = ("size", "colour", "texture", "shape")
"""What names are made of, in the order in which it is said."""

NUMERALS: tuple[str, ...] = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)

_SPOKEN = ("shape", "colour", "texture", "size")
_CHOICES = tuple(chosen for count in range(5) for chosen in combinations(_SPOKEN, count))
"""Every choice of attributes; few before many, and what people name first before others."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a thing should be like; what is empty does not matter."""

    size: str = ""
    colour: str = ""
    texture: str = ""
    shape: str = ""

    @property
    def phrase(self) -> str:
        """Like `large red striped triangle` or `red object`."""
        said = (self.size, self.colour, self.texture, self.shape or "object")
        return " ".join(filter(None, said))

    @property
    def plural(self) -> str:
        """Like `red crosses`."""
        return plural(self.phrase)

    def fits(self, thing: Thing) -> bool:
        """Whether the thing is like this."""
        return (
            self.colour in ("", thing.colour)
            and self.shape in ("", thing.shape)
            and self.texture in ("", thing.texture)
            and self.size in ("", thing.size)
        )

    def count(self, things: Iterable[Thing]) -> int:
        """How many of the things are like this."""
        return sum(map(self.fits, things))


def describe(thing: Thing, attributes: Iterable[str] = ("colour", "shape")) -> Description:
    """What the thing is like in these respects."""
    return Description(**{key: getattr(thing, key) for key in attributes})


def name(thing: Thing, attributes: Iterable[str] = ("colour", "shape")) -> str:
    """Its name by these attributes, like `large red striped triangle` or `red object`."""
    return describe(thing, attributes).phrase


def full_name(thing: Thing) -> str:
    """All there is to say of it; that it is solid goes without saying."""
    said = ATTRIBUTES if thing.texture != "solid" else ("size", "colour", "shape")
    return name(thing, said)


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
    hidden = set(hidden)
    differing = [_differences(thing, other) for other in things if other != thing]
    return [
        name(thing, chosen)
        for chosen in _CHOICES
        if hidden.isdisjoint(chosen) and not any(gap.isdisjoint(chosen) for gap in differing)
    ]


def _differences(one: Thing, other: Thing) -> set[str]:
    return {key for key in ATTRIBUTES if getattr(one, key) != getattr(other, key)}


def refer(
    thing: Thing, things: Iterable[Thing], rng: Random, hidden: Iterable[str] = ()
) -> str | None:
    """A phrase that means this thing alone, mostly a short one; None where there is none."""
    phrases = references(thing, things, hidden)
    if not phrases:
        return None
    return phrases[0] if rng.random() < 0.4 else rng.choice(phrases[:5])
