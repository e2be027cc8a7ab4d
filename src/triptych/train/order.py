"""Which samples make up which step: a pure function of seed and step, so nothing has to be kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
from torch import Generator


@dataclass(frozen=True, slots=True)
class Order:
    """Shuffled epochs over `num_samples`, cut into steps; a short last step is kept.

    With `lengths`, samples that meet in a step are of similar length, so that little is padding:
    every window of the shuffled epoch is sorted, cut into steps, and the steps shuffled again.

    Of several processes each has its share of every step: process 1 of 3 samples 1, 4, 7, ..., or
    the first of every three groups where samples are dealt out `together`.
    """

    num_samples: int
    samples_per_step: int
    seed: int
    lengths: tuple[int, ...] | None = None
    rank: int = 0
    num_ranks: int = 1
    together: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.num_samples // self.samples_per_step)

    def epoch(self, step: int) -> int:
        """The epoch that step (0, 1, ...) belongs to."""
        return step // self.steps_per_epoch

    def indexes(self, step: int) -> Sequence[int]:
        """This process's samples of a step."""
        order = _epoch_order(self, self.epoch(step))
        start = step % self.steps_per_epoch * self.samples_per_step
        return [order[start + position] for position in self.positions(step)]

    def positions(self, step: int) -> Sequence[int]:
        """Where they stand in the whole step."""
        start = step % self.steps_per_epoch * self.samples_per_step
        size = min(self.samples_per_step, self.num_samples - start)
        return [p for p in range(size) if p // self.together % self.num_ranks == self.rank]

    def places(self, step: int, batch_size: int) -> Sequence[Sequence[int]]:
        """The same, counted anew in every forward pass; a pass may have none of this process."""
        start = step % self.steps_per_epoch * self.samples_per_step
        size = min(self.samples_per_step, self.num_samples - start)
        passes: list[list[int]] = [[] for _ in range(-(-size // batch_size))]
        for position in self.positions(step):
            passes[position // batch_size].append(position % batch_size)
        return passes

    def generator(self, step: int, index: int) -> Generator:
        """The randomness of one sample in one epoch (augmentation, say)."""
        return Generator().manual_seed(_mix(self.seed, self.epoch(step), index))

    def step_generator(self, step: int) -> Generator:
        """The randomness of one step as a whole (a model's own answers, say)."""
        return Generator().manual_seed(self._mixed(step, -2))

    def shared_generator(self, step: int) -> Generator:
        """The same randomness for all processes."""
        return Generator().manual_seed(_mix(self.seed, step, -2))

    def dropout_seed(self, step: int) -> int:
        """Where dropout begins in a step; so no state of a random generator has to be kept."""
        return self._mixed(step, -3)

    def validation_seed(self, step: int) -> int:
        """Where a validation begins after so many steps, should it draw anything."""
        return _mix(self.seed, step, -4)

    def _mixed(self, step: int, use: int) -> int:
        """What differs from process to process; the first has it as one alone would."""
        return _mix(self.seed, step, use, *[self.rank] * (self.rank > 0))


STEPS_PER_WINDOW = 24
"""Steps whose samples are sorted by length together; more would make them too alike."""


@lru_cache(maxsize=2)
def _epoch_order(order: Order, epoch: int) -> tuple[int, ...]:
    generator = Generator().manual_seed(_mix(order.seed, epoch, -1))
    shuffled = _shuffled(order.num_samples, generator)
    lengths, size = order.lengths, order.samples_per_step
    if lengths is None:
        return tuple(shuffled)
    num_full = order.num_samples // size * size
    window = size * STEPS_PER_WINDOW
    whole, rest = shuffled[:num_full], shuffled[num_full:]
    by_length = [
        index
        for start in range(0, num_full, window)
        for index in sorted(whole[start : start + window], key=lengths.__getitem__)
    ]
    steps = [by_length[start : start + size] for start in range(0, num_full, size)]
    mixed = [index for number in _shuffled(len(steps), generator) for index in steps[number]]
    return tuple(mixed + rest)


def _shuffled(count: int, generator: Generator) -> list[int]:
    return cast(list[int], torch.randperm(count, generator=generator).tolist())


def _mix(*values: int) -> int:
    """One 63-bit seed out of several numbers."""
    mixed = 0xCBF29CE484222325
    for value in values:
        mixed = (mixed ^ (value & 0xFFFFFFFFFFFFFFFF)) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 29
    return mixed & 0x7FFFFFFFFFFFFFFF
