"""Samples made by other processes, ahead of the step that needs them.

    worker 0    a   c   e      each worker has a pipe, which a thread of its own empties
    worker 1      b   d   f
                  |
    parent      step 4: [a b] -> taken     steps 5 and 6: [c d] [e f] are made meanwhile

Which samples those are is decided by the order, not by who makes them or when, so a run with
workers has exactly the samples of one without. `prefetch_steps` bounds what is made ahead.
"""

import contextlib
import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Pipe
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from triptych.errors import TrainingError
from triptych.train.config import TrainConfig
from triptych.train.crossing import receive
from triptych.train.order import Order
from triptych.train.source import Made, SampleSource, make
from triptych.train.worker_process import (
    START,
    Failed,
    Start,
    WorkerTraceback,
    cause_of_death,
    start_process,
    work,
)

Key: TypeAlias = tuple[int, int]
"""A step (0, 1, ...), and the position of a sample in it."""

POLL_S = 0.1
"""Time between two looks at workers that are being waited for."""


class WorkerLostError(TrainingError):
    """A worker process died or hung, and so did the one that took its place."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """Makes samples when they are needed."""

    source: SampleSource
    order: Order

    def take(self, step: int) -> Sequence[Made]:
        """The samples of a step (0, 1, ...)."""
        return [make(self.source, self.order, step, index) for index in self.order.indexes(step)]


class Workers:
    """Processes that make samples ahead; as a context manager they start and end with it."""

    def __init__(
        self,
        source: SampleSource,
        order: Order,
        config: TrainConfig,
        num_steps: int,
        say: Callable[[str], None],
        start: Start = START,
    ) -> None:
        self.source = source
        self.order = order
        self.config = config
        self.num_steps = num_steps
        self.say = say
        self.start: Start = start
        self.store = _Store()
        self._workers: list[_Worker] = []
        self._replaced: set[int] = set()
        self._asked = -1
        """The last step that was asked for."""

    def __enter__(self) -> "Workers":
        try:
            for number in range(self.config.num_workers):
                self._workers.append(self._new_worker(number))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers; what they were making is lost, and will be made alike again."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.end()

    def take(self, step: int) -> Sequence[Made]:
        """The samples of a step (0, 1, ...); the steps after it are asked for as well.

        Raises:
            WorkerLostError: a worker died or hung for the second time.
            Exception: whatever the source raised in a worker.
        """
        self._ask_until(step)
        keys = [(step, position) for position in range(len(self.order.indexes(step)))]
        while not self._wait_for(keys):
            self._replace_lost()
        taken = self.store.pop(keys)
        for each in taken:
            if isinstance(each, Failed):
                raise each.error from WorkerTraceback(f"\n{each.trace}")
        return [each for each in taken if isinstance(each, Made)]

    def _ask_until(self, step: int) -> None:
        """Ask for all that may be made by now, spread evenly over the workers."""
        last = min(step + self.config.prefetch_steps, self.num_steps - 1)
        for each in range(max(step, self._asked + 1), last + 1):
            first = each * self.order.samples_per_step
            for number, worker in enumerate(self._workers):
                turn = (number - first) % len(self._workers)
                worker.ask(each, range(turn, len(self.order.indexes(each)), len(self._workers)))
            self._asked = each

    def _wait_for(self, keys: Sequence[Key]) -> bool:
        began = time.monotonic()
        is_there = self.store.wait_for(keys)
        if time.monotonic() - began > 10 * POLL_S:
            # This process was suspended or had no share of the machine, and so had its workers.
            for worker in self._workers:
                worker.waiting_since = time.monotonic()
        return is_there

    def _replace_lost(self) -> None:
        for number, worker in enumerate(self._workers):
            what = worker.what_is_wrong(self.config.worker_timeout_s)
            if not what:
                continue
            sentence = f"worker {number + 1} of {len(self._workers)} {what}"
            if number in self._replaced:
                raise WorkerLostError(
                    f"{sentence}, and another one before it; look at that sample, or see its "
                    "error with num_workers=0"
                )
            self.say(f"{sentence}; another one takes its place")
            self._replaced.add(number)
            worker.end()
            self._workers[number] = self._new_worker(number)
            for step, positions in worker.unfinished().items():
                self._workers[number].ask(step, positions)

    def _new_worker(self, number: int) -> "_Worker":
        return _Worker(number, self.source, self.order, self.store, self.start)


Maker: TypeAlias = InProcess | Workers
"""Whoever makes the samples of steps; steps are taken in rising order."""


@contextmanager
def sample_maker(
    source: SampleSource,
    order: Order,
    config: TrainConfig,
    num_steps: int,
    say: Callable[[str], None],
) -> Generator[Maker]:
    """Who makes the samples of a run: this process, or workers that live as long as the block."""
    if not config.num_workers:
        yield InProcess(source, order)
        return
    with Workers(source, order, config, num_steps, say) as workers:
        yield workers


class _Store:
    """What has been made and not been taken yet; several threads put in, one takes out."""

    def __init__(self) -> None:
        self.ready = threading.Condition()
        self._made: dict[Key, Made | Failed] = {}

    def put(self, key: Key, made: Made | Failed) -> None:
        with self.ready:
            self._made[key] = made
            self.ready.notify_all()

    def wait_for(self, keys: Sequence[Key]) -> bool:
        """Whether all of them are there, after waiting a moment at most."""
        with self.ready:
            return self.ready.wait_for(lambda: all(key in self._made for key in keys), POLL_S)

    def pop(self, keys: Sequence[Key]) -> list[Made | Failed]:
        with self.ready:
            return [self._made.pop(key) for key in keys]


class _Worker:
    """One process, the pipes to and from it, and the thread that empties the latter."""

    def __init__(
        self, number: int, source: SampleSource, order: Order, store: _Store, start: Start
    ) -> None:
        self.order = order
        self.store = store
        context: Any = multiprocessing.get_context(start)
        their_tasks, self.tasks = Pipe(duplex=False)
        self.results, their_results = Pipe(duplex=False)
        self.process: BaseProcess = context.Process(
            target=work,
            args=(source, order, their_tasks, their_results, os.getpid(), self.tasks, self.results),
            name=f"samples {number + 1}",
            daemon=True,
        )
        start_process(self.process)
        their_tasks.close()
        their_results.close()
        self.outstanding: deque[Key] = deque()
        """Asked for and not arrived, in the order in which they are made."""
        self.waiting_since = time.monotonic()
        self.thread = threading.Thread(target=self._empty, daemon=True)
        self.thread.start()

    def ask(self, step: int, positions: Sequence[int]) -> None:
        """Have these samples of a step made, after all that was asked for before."""
        indexes = self.order.indexes(step)
        with self.store.ready:
            if not self.outstanding:
                self.waiting_since = time.monotonic()
            self.outstanding.extend((step, position) for position in positions)
        with contextlib.suppress(OSError):  # it is dead, which will be noticed by who waits
            self.tasks.send((step, [(position, indexes[position]) for position in positions]))

    def what_is_wrong(self, timeout_s: float) -> str:
        """Half a sentence about its end; empty while it is at work."""
        ended = not self.process.is_alive()
        if ended:
            self.thread.join()  # what it had made in time is still in the pipe
        with self.store.ready:
            hangs = time.monotonic() - self.waiting_since > timeout_s
            making = self.outstanding[0] if self.outstanding else None
        if making is None or not (ended or hangs):
            return ""
        step, position = making
        sample = f"sample {self.order.indexes(step)[position]} of step {step + 1}"
        if ended:
            return f"died ({cause_of_death(self.process.exitcode)}) while it made {sample}"
        return f"has been making {sample} for more than {timeout_s:g} s"

    def unfinished(self) -> dict[int, list[int]]:
        """Positions of the samples that it still owes, by step."""
        owed: dict[int, list[int]] = {}
        for step, position in self.outstanding:
            owed.setdefault(step, []).append(position)
        return owed

    def end(self) -> None:
        """Stop the process; afterwards nothing of it arrives any more."""
        self.process.terminate()
        self.process.join(1.0)
        self.process.kill()
        self.process.join()
        self.thread.join()
        self.tasks.close()
        self.results.close()
        self.process.close()

    def _empty(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                key, made = receive(self.results)
                with self.store.ready:
                    self.outstanding.popleft()
                    self.waiting_since = time.monotonic()
                self.store.put(key, made)
