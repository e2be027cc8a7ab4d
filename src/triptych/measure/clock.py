"""How long the stages of one run take, and how much memory is resident in each at most."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from torch import nn

from triptych.measure.memory import forget_peak, peak_bytes


class Clock:
    """Times stages by name; one that runs several times is added up."""

    def __init__(self, *, watches_memory: bool = False) -> None:
        """Watching the memory takes a moment before each stage, which counts to none."""
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}
        """Most bytes resident while a stage ran; empty where they are not watched."""
        self._watches_memory = watches_memory
        self._begun: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """What runs inside is that stage."""
        self._begin(name)
        yield
        self._end(name)

    @contextmanager
    def calls(self, name: str, module: nn.Module, shapes: list[tuple[int, ...]]) -> Generator[None]:
        """Every call of a module inside is that stage; the shapes it is called with are noted."""

        def begin(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            shapes.append(tuple(getattr(arguments[0], "shape", ())))
            self._begin(name)

        def end(*_: object) -> None:
            self._end(name)

        handles = module.register_forward_pre_hook(begin), module.register_forward_hook(end)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, name: str) -> None:
        if self._watches_memory:
            forget_peak()
        self._begun[name] = time.perf_counter()

    def _end(self, name: str) -> None:
        seconds = time.perf_counter() - self._begun.pop(name)
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        if self._watches_memory:
            self.memory[name] = max(self.memory.get(name, 0), peak_bytes())
