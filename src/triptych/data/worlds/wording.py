"""How questions are worded: many ways for training, other ways for testing."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from triptych.errors import ConfigError

Split: TypeAlias = Literal["train", "dev", "test", "combinations"]
"""Disjoint seeds. `train` and `dev` share wordings; `test` and `combinations` have wordings of
their own. `combinations` shows what training never pairs (a colour with a shape, say)."""

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
    held_out = split in ("test", "combinations")
    return rng.choice(ways.unseen if held_out else ways.seen).format(**slots)
