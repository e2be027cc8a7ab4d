"""Several sources as one: how often each is drawn, and which sample is number n.

A mixture is a row of `num_samples` samples. Each source takes up its share of the row, to the
nearest whole sample, and the shares lie mixed. Which sample stands at n is a function of the seed
and n alone, so a run that goes on needs no state of its data.

A source that is smaller than its share is seen again, each time in a new order; of a larger one a
part is seen, drawn at random. So in one row every sample of a source is met equally often, give or
take once. An epoch of training is one row and meets the same samples again; for a mixture of large
sources let `num_samples` be what the whole run will see, and train one epoch.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import torch

from triptych.data.conversations import ConversationSamples
from triptych.data.drawn import DrawnShapes, DrawnWorld
from triptych.data.filters import FilterConfig
from triptych.data.ledger import Ledger, LeftOut
from triptych.data.sources import DataSource
from triptych.errors import ConfigError
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample


@runtime_checkable
class Samples(Protocol):
    """What `train.SampleSource` asks for."""

    def __len__(self) -> int: ...

    def sample(self, index: int, generator: torch.Generator) -> Sample: ...

    def lengths(self) -> tuple[int, ...] | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """One source of a mixture."""

    source: DataSource | DrawnWorld | DrawnShapes
    """Where its samples come from."""

    weight: float | None = None
    """How often it is drawn, relative to the others; None for every sample once, which all sources
    of the mixture must say, or none."""

    min_pixels: int | None = None
    """Least area of a picture, for models that take pictures at their own size."""

    max_pixels: int | None = None
    """Most area of a picture, likewise; instead of what the model's configuration says."""

    rules: FilterConfig = FilterConfig()
    """Which of its samples are used."""

    plan: bool = True
    """Whether lengths and faults are looked for before training, from headers."""

    def __post_init__(self) -> None:
        if self.weight is not None and not self.weight > 0:
            raise ConfigError(f"a weight must be above 0, got {self.weight}; leave the source out")
        is_drawn = isinstance(self.source, DrawnWorld | DrawnShapes)
        if is_drawn and (self.min_pixels or self.max_pixels or not self.rules.is_empty):
            raise ConfigError(
                "drawn pictures know no bounds of pixels and no rules; leave them out"
            )

    def build(self, processor: Processor | PairProcessor, root: Path, seed: int) -> "Samples":
        """Read the source, as training samples; paths are relative to `root`.

        Raises:
            DataError: it cannot be read, or too many of its samples cannot be used.
            ConfigError: it gives no pairs, and the model compares pictures with texts.
        """
        if isinstance(self.source, DrawnWorld | DrawnShapes):
            return self.source.build(processor)
        conversations, ledger = self.source.read(root)
        return ConversationSamples(
            processor,
            conversations,
            ledger=ledger,
            tolerate=self.source.tolerate,
            min_pixels=self.min_pixels,
            max_pixels=self.max_pixels,
            rules=self.rules,
            plan=self.plan,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureConfig:
    """What a run is trained on."""

    shares: tuple[Share, ...]
    """The sources."""

    num_samples: int = 0
    """Length of the row that is one epoch; 0 for as many samples as all sources have together."""

    def __post_init__(self) -> None:
        if not self.shares:
            raise ConfigError("a mixture needs at least one source")
        given = [share.weight is not None for share in self.shares]
        if any(given) and not all(given):
            raise ConfigError("give weights to all sources of a mixture, or to none")
        if self.num_samples < 0:
            raise ConfigError(f"num_samples must be at least 0, got {self.num_samples}")

    def build(
        self, processor: Processor | PairProcessor, root: Path = Path(), seed: int = 0
    ) -> "Mixture":
        """Read and plan all sources; paths are relative to `root`.

        Raises:
            DataError: a source cannot be read, or too many of its samples cannot be used.
            ConfigError: a source has no room in a row of `num_samples`.
        """
        sources = [share.build(processor, root, seed) for share in self.shares]
        weights = [
            float(len(source)) if share.weight is None else share.weight
            for share, source in zip(self.shares, sources, strict=True)
        ]
        names = [_named(share.source) for share in self.shares]
        return Mixture(sources, weights, names, self.num_samples, seed)


class Mixture:
    """Several sources of training samples as one."""

    def __init__(
        self,
        sources: Sequence[Samples],
        weights: Sequence[float],
        names: Sequence[str],
        num_samples: int = 0,
        seed: int = 0,
    ) -> None:
        """`num_samples` is the length of the row; 0 for as many as all sources have.

        Raises:
            ConfigError: a source has no room in the row.
        """
        self.sources = sources
        self.names = names
        self.seed = seed
        self.counts = shares_of(num_samples or sum(map(len, sources)), weights)
        for name, count in zip(names, self.counts, strict=True):
            if count == 0:
                raise ConfigError(
                    f"{name} has no room in a row of {sum(self.counts)} samples; give it more "
                    "weight, raise num_samples, or leave it out"
                )
        self._stops = list(accumulate(self.counts))
        self._mixed = _permutation(sum(self.counts), seed, -1)

    def __len__(self) -> int:
        return len(self._mixed)

    def place(self, index: int) -> tuple[int, int]:
        """Which source sample `index` comes from, and which one of that source it is."""
        slot = int(self._mixed[index])
        number = bisect_right(self._stops, slot)
        turn, rest = divmod(slot - self._stops[number] + self.counts[number], self._size(number))
        order = _order(self._size(number), self.seed, number, turn)
        return number, int(order[rest])

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """Sample `index` of the row.

        Raises:
            DataError: a source met more broken samples than it tolerates.
        """
        number, inner = self.place(index)
        return self.sources[number].sample(inner, generator)

    def lengths(self) -> tuple[int, ...] | None:
        """Tokens of every sample of the row; None where a source does not know them."""
        known = [source.lengths() for source in self.sources]
        if any(lengths is None for lengths in known):
            return None
        lengths = cast(Sequence[tuple[int, ...]], known)
        places = map(self.place, range(len(self)))
        return tuple(lengths[number][inner] for number, inner in places)

    def times_seen(self) -> Mapping[str, float]:
        """How often each source is seen in one row, by its name."""
        rows = zip(self.names, self.counts, self.sources, strict=True)
        return {name: count / len(source) for name, count, source in rows}

    def summary(self) -> str:
        """A line a source for a person: its share of the row, and how often it is seen."""
        lines = [
            f"{name}: {count:,} of {len(self):,} samples ({count / len(self):.1%}), each seen "
            f"{times:.2f} times"
            for count, (name, times) in zip(self.counts, self.times_seen().items(), strict=True)
        ]
        return "\n".join(lines + [ledger.summary() for ledger in self.ledgers])

    @property
    def ledgers(self) -> Sequence[Ledger]:
        """What each source left out."""
        return [each.ledger for each in self.sources if isinstance(each, ConversationSamples)]

    def noted_sample(
        self, index: int, generator: torch.Generator
    ) -> tuple[Sample, Sequence[LeftOut]]:
        """Sample `index` of the row, with what its source noted on the way to it.

        Raises:
            DataError: as `sample`.
        """
        number, inner = self.place(index)
        source = self.sources[number]
        if isinstance(source, ConversationSamples):
            return source.noted_sample(inner, generator)
        return source.sample(inner, generator), ()

    def note(self, index: int, notes: Iterable[LeftOut]) -> None:
        """Enter what a worker, whose ledgers nobody sees, noted of sample `index`.

        Raises:
            DataError: more samples of its source are broken than it tolerates.
        """
        number, inner = self.place(index)
        source = self.sources[number]
        if isinstance(source, ConversationSamples):
            source.note(inner, notes)

    def _size(self, number: int) -> int:
        return len(self.sources[number])


def shares_of(total: int, weights: Sequence[float]) -> list[int]:
    """`total` divided by weight into whole numbers: what is left over goes to the largest rests."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(each) for each in exact]
    by_rest = sorted(range(len(weights)), key=lambda number: counts[number] - exact[number])
    for number in by_rest[: total - sum(counts)]:
        counts[number] += 1
    return counts


@lru_cache(maxsize=64)
def _order(size: int, seed: int, number: int, turn: int) -> torch.Tensor:
    """In which order a source is seen the n-th time."""
    return _permutation(size, seed, number, turn)


def _permutation(size: int, *key: int) -> torch.Tensor:
    seed = 0
    for value in key:
        seed = (seed * 0x9E3779B97F4A7C15 + value + 1) % 2**63
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))


def _named(source: DataSource | DrawnWorld | DrawnShapes) -> str:
    fields = ("path", "questions", "refs", "folder", "shards", "world")
    where = next((getattr(source, name) for name in fields if hasattr(source, name)), "")
    return f"{type(source).__name__} {where}".rstrip()
