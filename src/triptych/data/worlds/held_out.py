"""Which words and pairs of words training never meets: decided by a stable hash of the words.

A model that has only learned which names are usual fails on the ones held out; one that reads
does not.
"""

import hashlib
from functools import lru_cache

from triptych.data.worlds.wording import Split

PAIR_SHARE = 0.2
"""Of all pairs of words, how many are kept for the split `combinations`."""


@lru_cache(maxsize=8192)
def stable_share(text: str) -> float:
    """A number in 0..1 that depends on the text alone, the same on every machine."""
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def listed(words: str, separator: str | None = None) -> tuple[str, ...]:
    """A list of words written as one text."""
    return tuple(words.split(separator))


@lru_cache(maxsize=256)
def words_for(words: tuple[str, ...], split: Split, share: float = 0.25) -> tuple[str, ...]:
    """The words a split may use: a share of them is the test's own, the rest everyone else's."""
    by_hash = sorted(words, key=stable_share)
    num_held_out = round(len(by_hash) * share)
    return tuple(by_hash[:num_held_out] if split == "test" else by_hash[num_held_out:])


def pair_is_held_out(first: str, second: str) -> bool:
    """Whether two words meet only in the split `combinations`."""
    return stable_share(f"{first} + {second}") < PAIR_SHARE
