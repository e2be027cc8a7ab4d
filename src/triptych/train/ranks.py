"""The processes of one run, each with its share of every step; `torchrun` calls them ranks.

    torchrun --nproc-per-node 2 -m triptych train RECIPE

    rank 0   its samples, gradients --+                  +--> the same step of the optimizer
                                      +--> added up -----+
    rank 1   its samples, gradients --+                  +--> the same step of the optimizer

A step's samples do not depend on how many ranks share them, so a run may be gone on with by more or
by fewer. The first rank alone validates and writes. Whenever ranks need each other they exchange a
few numbers first, on the processor, and what ends a rank (an error, a signal) is such a message
too: nobody waits for a rank that will not come. A rank that is killed is noticed by the end of its
connection.

Processes are found by RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, as `torchrun` and
`accelerate launch` set them.
"""

import atexit
import json
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

from triptych.errors import ConfigError, TrainingError, TriptychError
from triptych.train.buckets import add_up, buckets
from triptych.train.signals import BrokenOff, StopRequest

PATIENCE = timedelta(hours=2)
"""Longest that ranks wait for each other, for a validation by the first one for example."""

SHORT_BYTES = 1024
"""Messages of this length, as nearly all are, take one exchange; longer ones two."""


class RankLostError(TrainingError):
    """Another process of the run died, or ended with an error."""


class OthersStopped(BrokenOff):
    """Another process of the run was asked to stop."""


class Ranks:
    """The processes of a run, seen from one of them. Alone unless it is told otherwise."""

    def __init__(self, rank: int = 0, num_ranks: int = 1, group: Any = None) -> None:
        """`group` carries messages between processors; the default one carries gradients."""
        self.rank = rank
        self.num_ranks = num_ranks
        self.stop = StopRequest()
        self._group = group
        self._is_over = num_ranks == 1
        """Whether the others know how this ends, or have said so themselves."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def group(self) -> Any:
        """torch's, which carries messages between processors."""
        return self._group

    @property
    def name(self) -> str:
        """Counted from 1, as people do."""
        return f"process {self.rank + 1} of {self.num_ranks}"

    def exchange(self, said: Any) -> list[Any]:
        """What every rank says here, in their order; plain values that JSON can hold.

        Raises:
            RankLostError: a rank is gone, or says that it has failed.
            OthersStopped: a rank was asked to stop.
        """
        if self.num_ranks == 1:
            return [said]
        with self.in_contact():
            heard = self._gather({"said": said})
            for each in heard:
                if "ends" in each:
                    self._is_over = True
                    self._end_too(each["ends"], each["signal"])
        return [each["said"] for each in heard]

    def add_gradients(self, parameters: Iterable[Tensor], said: Any) -> list[Any]:
        """Add up what all ranks have as gradients, after an exchange of what they say.

        A gradient that some ranks do not have, who saw no picture for example, is zero there; one
        that nobody has stays none, as it would in one process.

        Raises:
            RankLostError, OthersStopped: as `exchange`.
        """
        if self.num_ranks == 1:
            return [said]
        parameters = list(parameters)
        with self.stop.unbroken():
            mine = "".join("01"[each.grad is not None] for each in parameters)
            heard = self.exchange({"said": said, "has": mine})
            masks = [each["has"] for each in heard]
            with_gradient = [
                each
                for index, each in enumerate(parameters)
                if any(mask[index] == "1" for mask in masks)
            ]
            with self._lost_if_unreachable():
                for bucket in buckets(with_gradient):
                    add_up(bucket)
        return [each["said"] for each in heard]

    def mean(self, noticed: dict[str, float], weight: int) -> dict[str, float]:
        """Means over all ranks of numbers that are means of `weight` things here."""
        if self.num_ranks == 1:
            return noticed
        said = self.exchange((noticed, weight))
        names = dict.fromkeys(name for each, _ in said for name in each)
        return {
            name: sum(each[name] * count for each, count in said if name in each)
            / sum(count for each, count in said if name in each)
            for name in names
        }

    @torch.no_grad()
    def gather_rows(self, mine: Tensor | None, device: torch.device) -> Tensor:
        """The rows of all ranks, in their order; None is none, of whatever the others have.

        Raises:
            RankLostError, OthersStopped: as `exchange`.
        """
        kind = None if mine is None else (list(mine.shape), str(mine.dtype))
        kinds = self.exchange(kind)
        (_, *inner), name = next(each for each in kinds if each is not None)
        counts = [0 if each is None else each[0][0] for each in kinds]
        dtype: torch.dtype = getattr(torch, name.removeprefix("torch."))
        sent = torch.zeros((max(counts), *inner), dtype=dtype, device=device)
        if mine is not None:
            sent[: len(mine)] = mine
        with self.in_contact():
            parts = [torch.empty_like(sent) for _ in counts]
            data = [each.view(-1).view(torch.uint8) for each in (sent, *parts)]  # of any dtype
            dist.all_gather(data[1:], data[0])
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @torch.no_grad()
    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give all ranks the numbers of the first."""
        if self.num_ranks > 1:
            self.exchange(None)
            with self._lost_if_unreachable():
                for tensor in tensors:
                    sent = tensor.contiguous()
                    dist.broadcast(sent, 0)
                    tensor.copy_(sent)

    @contextmanager
    def in_contact(self) -> Generator[None]:
        """All ranks compute together inside this block, after an exchange; it is not broken off.

        Raises:
            RankLostError: a rank is gone.
        """
        with self.stop.unbroken(), self._lost_if_unreachable():
            yield

    @contextmanager
    def telling(self) -> Generator[None]:
        """Whatever ends this block before its time is told to the others, who wait for this one."""
        try:
            yield
        except (Exception, BrokenOff) as error:
            sentence = str(error) if isinstance(error, TriptychError) else repr(error)
            self.tell_end(f"{self.name} has ended: {sentence}")
            raise

    def tell_end(self, why: str = "") -> None:
        """Tell the others that this rank ends, unless they know."""
        if not self._is_over:
            self._is_over = True
            with suppress(RuntimeError):  # whoever is gone need not be told
                self._gather({"ends": why, "signal": self.stop.number})

    def _end_too(self, why: str, signal: int) -> None:
        if signal:
            self.stop.number = self.stop.number or signal
            raise OthersStopped
        raise RankLostError(why)

    @contextmanager
    def _lost_if_unreachable(self) -> Generator[None]:
        try:
            yield
        except RuntimeError as error:
            self._is_over = True  # the others are not where they could be told
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise RankLostError(
                "another process of this run was killed or cannot be reached any more"
            ) from error

    def _gather(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        data = json.dumps(message).encode()
        heads = self._gather_bytes(len(data).to_bytes(8) + data[:SHORT_BYTES], SHORT_BYTES + 8)
        lengths = [int.from_bytes(head[:8]) for head in heads]
        found = [head[8 : 8 + length] for head, length in zip(heads, lengths, strict=True)]
        if max(lengths) > SHORT_BYTES:
            rest = self._gather_bytes(data[SHORT_BYTES:], max(lengths) - SHORT_BYTES)
            found = [
                (head + more)[:length]
                for head, more, length in zip(found, rest, lengths, strict=True)
            ]
        return [json.loads(each) for each in found]

    def _gather_bytes(self, data: bytes, size: int) -> list[bytes]:
        mine = torch.frombuffer(bytearray(data.ljust(size, b"\0")), dtype=torch.uint8)
        all_of_them = [torch.empty_like(mine) for _ in range(self.num_ranks)]
        dist.all_gather(all_of_them, mine, group=self._group)
        return [bytes(cast(list[int], each.tolist())) for each in all_of_them]


def num_ranks() -> int:
    """How many processes this one was started as one of."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_rank() -> bool:
    """Whether this process is the one that writes files and speaks to the person watching."""
    return num_ranks() == 1 or int(os.environ.get("RANK", "0")) == 0


def local_rank() -> int:
    """Which of the processes of this machine it is."""
    return int(os.environ.get("LOCAL_RANK", os.environ.get("RANK", "0")))


def join() -> Ranks:
    """Meet the other processes that this one was started with; alone where there are none.

    Raises:
        ConfigError: the environment tells of others, but not how to meet them.
        RankLostError: they do not come.
    """
    if num_ranks() == 1:
        return Ranks()
    if not dist.is_initialized():
        _begin()
    group = _groups[0] if _groups else None
    if group is None:
        group = dist.new_group(backend="gloo", timeout=PATIENCE)
        _groups.append(group)
    return Ranks(dist.get_rank(), dist.get_world_size(), group)


_groups: list[Any] = []
"""The group that messages go through: torch's processes meet once, however many runs follow."""


def _begin() -> None:
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ConfigError(
            f"WORLD_SIZE is {num_ranks()}, but {', '.join(missing)} not set; start with "
            "torchrun or accelerate launch, or unset WORLD_SIZE to train in one process"
        )
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(backend, timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise RankLostError(
            f"the {num_ranks()} processes of this run do not meet at "
            f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']} "
            f"({_first_line(error)})"
        ) from error
    atexit.register(_leave)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:200]


def _leave() -> None:
    _groups.clear()
    with suppress(RuntimeError, ValueError):
        dist.destroy_process_group()
