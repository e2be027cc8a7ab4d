"""The device, the clock, the models, and how sides are timed in turns."""

import argparse
import gc
import inspect
import signal
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

import torch
from torch import Tensor
from twins import Task, make_task, our_model, our_model_alone, shaped, their_model

from triptych.architectures import Architecture
from triptych.fusion.vlm import VLM

SIDES = {"2b": 448, "mini": 448, "debug": 96}
"""Height and width of the pictures."""

Found = dict[str, Any]
Sides = dict[str, Callable[[], Any]]


@contextmanager
def within(seconds: float) -> Generator[None]:
    """Raise TimeoutError in what takes longer."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Stage:
    """The device, the clock, and the models that several sections use."""

    arguments: argparse.Namespace
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds of the whole that are left."""
        return self.arguments.budget - (time.monotonic() - self.began)

    @property
    def device(self) -> str:
        return self.arguments.device

    @property
    def is_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def dtype(self) -> torch.dtype:
        return getattr(torch, self.arguments.precision)

    @cached_property
    def architecture(self) -> Architecture:
        return shaped(self.arguments.shape)

    @cached_property
    def task(self) -> Task:
        task = make_task(self.architecture, SIDES[self.arguments.shape], 30, 0)
        task.processor.end_ids = ()
        return task

    @cached_property
    def models(self) -> tuple[VLM, Any]:
        """Ours and theirs, which share their weights; None where transformers fails."""
        return self.twins(self.architecture, self.task, self.dtype)

    def twins(self, architecture: Architecture, task: Task, dtype: torch.dtype) -> tuple[VLM, Any]:
        try:
            theirs = their_model(architecture, task, 0, self.device, dtype)
        except Exception:
            traceback.print_exc(limit=-8)
            return our_model_alone(architecture, "", 0, self.device, dtype), None
        return our_model(architecture, theirs, ""), theirs

    def drop_models(self) -> None:
        """Give their memory back."""
        self.__dict__.pop("models", None)
        self.tidy()

    def tidy(self) -> None:
        gc.collect()
        if self.is_gpu:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()

    def wait(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize()

    def peak_gb(self) -> float:
        return torch.cuda.max_memory_allocated() / 1e9 if self.is_gpu else 0.0

    def forget_peak(self) -> None:
        gc.collect()  # what torch holds for later use stays, so that nothing has to ask for it
        if self.is_gpu:
            torch.cuda.reset_peak_memory_stats()

    def moved(self, model: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """What this version of their model takes of it, on the device."""
        known = inspect.signature(model.forward).parameters
        return {name: each.to(self.device) for name, each in given.items() if name in known}


@contextmanager
def noting_failure(found: Found) -> Generator[None]:
    """What goes wrong in the block is told and written down; only the end of the time ends it."""
    try:
        yield
    except TimeoutError:
        raise
    except Exception as error:
        traceback.print_exc(limit=-8)
        found["error"] = f"{type(error).__name__}: {error}"[:500]


def guarded(found: Found, sides: Sides, side: str, run: Callable[[], float], key: str) -> None:
    """A first run, after which a side that fails is left out."""
    try:
        found[key][side] = round(run(), 3)
    except TimeoutError:
        raise
    except Exception as error:
        traceback.print_exc(limit=-8)
        found[f"{side}_error"] = f"{type(error).__name__}: {error}"[:500]
        del sides[side]


def timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def tell_rates(found: Found, times: dict[str, list[float]], unit: str, amount: int) -> None:
    for side, each in times.items():
        if each:
            seconds = [round(one, 4) for one in each]
            found[side] = {"seconds": seconds, unit: round(amount / median(each), 2)}
    if "theirs" in found:
        ours = {side: found[side][unit] for side in times if side != "theirs" and side in found}
        ratios = {side: round(one / found["theirs"][unit], 3) for side, one in ours.items()}
        found["ratio"] = ratios
