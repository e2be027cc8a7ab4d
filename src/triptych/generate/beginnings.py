"""Beginnings of prompts that were read before, kept to be read no second time.

    system prompt + picture A -+- question 1 and its answer
                               `- question 2 ...
    system prompt + picture B --- question 1

A tree of runs of tokens. A run ends where sequences that share it part; it is kept once, with its
keys and values, for all that go on from it. What nobody uses is dropped, longest unused first.

A token is told by its id, a slot of a picture by what the picture is: see `token_keys`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TypeAlias

from torch import Tensor, uint8

from triptych.nn.cache import KVCache
from triptych.pictures import EncodedImage
from triptych.sequences import Sample

TokenKey: TypeAlias = int | bytes
"""What must be equal for keys and values to be equal, given that all before is equal too."""

LEAST_SHARED = 32
"""Tokens that two sequences must share for a run to be split there."""


class Beginning:
    """A run of tokens with its keys and values, behind those of its parents."""

    def __init__(
        self, parent: "Beginning | None", keys: tuple[TokenKey, ...], cache: KVCache, used: int
    ) -> None:
        self.parent = parent
        self.keys = keys
        """Of its own tokens."""
        self.cache = cache
        self.num_read = 0
        """Tokens of it that have been read, or will be by the forward that comes next."""
        self.children: list[Beginning] = []
        self.num_users = 0
        """Sequences that go on from here and are not finished."""
        self.last_used = used

    @property
    def is_ready(self) -> bool:
        """Whether sequences can go on from it in the forward that comes next."""
        return self.num_read == len(self.keys)

    @property
    def is_read(self) -> bool:
        """Whether all of it is kept already."""
        return self.cache.length == len(self.keys)

    @property
    def chain(self) -> list["Beginning"]:
        """All runs up to this one, first to last."""
        above = [] if self.parent is None else self.parent.chain
        return [*above, self]

    @property
    def num_tokens(self) -> int:
        """Of all runs up to this one."""
        return len(self.keys) + (0 if self.parent is None else self.parent.num_tokens)


class Beginnings:
    """The tree."""

    def __init__(self, token_bytes: int) -> None:
        """`token_bytes` is what keys and values of one token take in all layers."""
        self.token_bytes = token_bytes
        self.memory_bytes = 0
        """Of all keys and values, those still to be read included."""
        self._roots: list[Beginning] = []
        self._clock = count()

    def __iter__(self) -> Iterator[Beginning]:
        waiting = list(self._roots)
        while waiting:
            each = waiting.pop()
            yield each
            waiting += each.children

    def match(self, keys: Sequence[TokenKey]) -> tuple[Beginning | None, int]:
        """The last of the longest run of beginnings that these tokens start with, and its tokens.

        It may not be ready yet. A run that is shared in part is split there.
        """
        found: Beginning | None = None
        num_matched = 0
        while True:
            best, length = self._longest(found, keys[num_matched:])
            if best is None:
                return found, num_matched
            if length < len(best.keys):
                best = self._split(best, length)
            best.last_used = next(self._clock)
            found, num_matched = best, num_matched + length

    def add(
        self, parent: Beginning | None, keys: tuple[TokenKey, ...], cache: KVCache
    ) -> Beginning:
        """A run behind `parent`, with a cache that holds it or will."""
        beginning = Beginning(parent, keys, cache, next(self._clock))
        self._siblings(parent).append(beginning)
        self.memory_bytes += self.token_bytes * len(keys)
        return beginning

    def drop(self, beginning: Beginning) -> None:
        """Forget a run that nobody uses and nothing goes on from."""
        self._siblings(beginning.parent).remove(beginning)
        self.memory_bytes -= self.token_bytes * len(beginning.keys)

    def drop_unread(self) -> None:
        """Forget runs that were never read to their end, and what stands on them."""
        for each in list(self):
            if any(not above.is_read for above in each.chain):
                self.drop(each)

    def shrink(self, memory_bytes: int) -> bool:
        """Drop what is unused until this much is left at most; False if the rest is in use."""
        while self.memory_bytes > memory_bytes:
            idle = [each for each in self if not each.num_users and not each.children]
            if not idle:
                return False
            for oldest in sorted(idle, key=lambda each: each.last_used):
                if self.memory_bytes > memory_bytes:
                    self.drop(oldest)
        return True

    def _siblings(self, parent: Beginning | None) -> list[Beginning]:
        return self._roots if parent is None else parent.children

    def _longest(
        self, parent: Beginning | None, keys: Sequence[TokenKey]
    ) -> tuple[Beginning | None, int]:
        """Which run here these tokens share most with, if it is enough to use it."""
        best, most = None, 0
        for each in self._siblings(parent):
            length = common_length(each.keys, keys)
            is_whole = length == len(each.keys)
            is_enough = is_whole or (length >= LEAST_SHARED and each.is_read)
            if is_enough and length > most:
                best, most = each, length
        return best, most

    def _split(self, beginning: Beginning, length: int) -> Beginning:
        """Part a run after some tokens; its users go on from its end."""
        parent, cache = beginning.parent, beginning.cache
        upper = self.add(parent, beginning.keys[:length], cache.copy(0, length))
        self.drop(beginning)
        self.memory_bytes += self.token_bytes * (len(beginning.keys) - length)
        beginning.cache = cache.copy(length, len(beginning.keys))
        beginning.keys = beginning.keys[length:]
        upper.num_read, beginning.num_read = length, len(beginning.keys)
        beginning.parent = upper
        upper.children.append(beginning)
        return upper


def common_length(first: Sequence[TokenKey], second: Sequence[TokenKey]) -> int:
    """How many tokens two sequences begin with alike."""
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    pairs = zip(first, second, strict=False)
    return next(index for index, (one, other) in enumerate(pairs) if one != other)


def token_keys(sample: Sample, pictures: Sequence[bytes]) -> tuple[TokenKey, ...]:
    """What tells each token of a prompt; `pictures` are the contents of its pictures.

    Tokens that see each other in both directions are told by all of them together.
    """
    keys: list[TokenKey] = list(sample.token_ids)
    for span, content in zip(sample.spans, pictures, strict=True):
        for position in span.positions:
            keys[position] = content
    if sample.num_mutual:
        digest = hashlib.blake2b(repr(keys[: sample.num_mutual]).encode(), digest_size=16).digest()
        keys[: sample.num_mutual] = [digest] * sample.num_mutual
    return tuple(keys)


def picture_content(image: EncodedImage) -> bytes:
    """A digest of a picture as the model gets it, processing included."""
    digest = hashlib.blake2b(digest_size=16)
    facts = (image.pixels.shape, image.pixels.dtype, image.tiles, image.is_features)
    digest.update(repr((facts, image.seconds_per_slice)).encode())
    digest.update(_bytes(image.pixels))
    return digest.digest()


def _bytes(pixels: Tensor) -> memoryview:
    return pixels.detach().cpu().contiguous().reshape(-1).view(uint8).numpy().data
