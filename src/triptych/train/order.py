"""Which samples make up which step: a pure function of seed and step, so nothing has to be kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Generator


@dataclass(frozen=True, slots=True)
class Order:
    """Shuffled epochs over `num_samples`, cut into steps; a short last step is kept."""

    num_samples: int
    samples_per_step: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.num_samples // self.samples_per_step)

    def epoch(self, step: int) -> int:
        """The epoch that step (0, 1, ...) belongs to."""
        return step // self.steps_per_epoch

    def indexes(self, step: int) -> Sequence[int]:
        """The samples of a step."""
        order = _permutation(self.num_samples, self.seed, self.epoch(step))
        start = step % self.steps_per_epoch * self.samples_per_step
        return order[start : start + self.samples_per_step]

    def generator(self, step: int, index: int) -> Generator:
        """The randomness of one sample in one epoch (augmentation, say)."""
        return Generator().manual_seed(_mix(self.seed, self.epoch(step), index))


@lru_cache(maxsize=2)
def _permutation(num_samples: int, seed: int, epoch: int) -> tuple[int, ...]:
    generator = Generator().manual_seed(_mix(seed, epoch, -1))
    return tuple(torch.randperm(num_samples, generator=generator).tolist())


def _mix(*values: int) -> int:
    """One 63-bit seed out of several numbers."""
    mixed = 0xCBF29CE484222325
    for value in values:
        mixed = (mixed ^ (value & 0xFFFFFFFFFFFFFFFF)) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        mixed ^= mixed >> 29
    return mixed & 0x7FFFFFFFFFFFFFFF
