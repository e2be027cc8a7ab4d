"""How questions are worded: many ways for training, other ways for testing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, TypeAlias

from triptych.data.worlds.rewording import as_people_write, spread
from triptych.errors import ConfigError

Split: TypeAlias = Literal["train", "dev", "test", "combinations"]
"""Disjoint seeds. `train` and `dev` share wordings; `test` and `combinations` have wordings of
their own. `combinations` shows what training never pairs (a colour with a shape, say)."""

SHARE_SPREAD = 0.7
"""Of the questions in training, those worded in one of the ways that are spread out."""

SPLITS: tuple[Split, ...] = ("train", "dev", "test", "combinations")


@dataclass(frozen=True, slots=True)
class Phrases:
    """The ways to ask one thing; `{slots}` are filled in.

    Raises:
        ConfigError: fewer than ten ways to train on, or none held out.
    """

    seen: tuple[str, ...]
    """For training and validation."""
    unseen: tuple[str, ...]
    """For testing only."""
    more: tuple[str, ...] = ()
    """For training only, each standing for many; see `triptych.data.worlds.rewording`."""

    def __post_init__(self) -> None:
        if len(self.seen) < 10 or len(self.unseen) < 2:
            raise ConfigError(
                f"a question needs ten wordings to train on and two held out, got "
                f"{len(self.seen)} and {len(self.unseen)} ({(self.seen or ('none',))[0]!r})"
            )
        if both := set(self.seen) & set(self.unseen):
            raise ConfigError(f"the wording {min(both)!r} is both trained on and held out")


def word(
    phrases: Mapping[str, Phrases], kind: str, rng: Random, split: Split, **slots: object
) -> str:
    """One wording of a question of this kind, as this split asks it."""
    ways = phrases[kind]
    if split in ("test", "combinations"):
        return rng.choice(ways.unseen).format(**slots)
    if split == "dev":
        return rng.choice(ways.seen).format(**slots)
    is_spread = ways.more and rng.random() < SHARE_SPREAD
    way = spread(rng.choice(ways.more), rng) if is_spread else rng.choice(ways.seen)
    return as_people_write(way.format(**slots), rng, begins_with_name=way.startswith("{"))


def with_more(
    phrases: Mapping[str, Phrases], more: Mapping[str, tuple[str, ...]]
) -> dict[str, Phrases]:
    """The same phrases with more ways for training.

    Raises:
        ConfigError: there are more ways to ask something unknown.
    """
    if unknown := set(more) - set(phrases):
        raise ConfigError(f"there are more ways to ask {min(unknown)!r}, which nobody asks")
    return {kind: replace(own, more=more.get(kind, ())) for kind, own in phrases.items()}
