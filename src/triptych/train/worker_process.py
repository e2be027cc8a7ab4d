"""The inside of a worker: a process that makes the samples it is told to, until it is ended.

Workers are forked on Linux, where nothing has to be sent to them and their start costs nothing.
Forking beside the threads of torch is safe for who computes on one thread, as workers do (OpenMP's
other threads do not exist in them and would be waited for without end), and leaves accelerators
alone, as sources must. Elsewhere workers are spawned, and the source is pickled for them.
"""

import contextlib
import ctypes
import os
import pickle
import signal
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal, TypeAlias

import torch

from triptych.errors import ConfigError, TrainingError
from triptych.train.crossing import can_cross, send
from triptych.train.order import Order
from triptych.train.signals import held_back
from triptych.train.source import Made, SampleSource, make

Start: TypeAlias = Literal["fork", "spawn"]

START: Start = "fork" if sys.platform == "linux" else "spawn"

PARENT_DIES = 1
"""PR_SET_PDEATHSIG of Linux: which signal to get when the parent is gone."""


class WorkerTraceback(Exception):
    """Where in a worker an error was raised; stands as its cause."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A sample that could not be made."""

    error: Exception
    trace: str


def start_process(process: BaseProcess) -> None:
    """Start it, so that neither a signal nor a warning meant for its parent reaches it.

    Raises:
        ConfigError: it has to be spawned, and what it needs cannot be sent to it.
    """
    with held_back(), _tokenizers_told(), warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; see the beginning of this file.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            process.start()
        except (AttributeError, TypeError, ValueError, pickle.PickleError) as error:
            raise ConfigError(
                f"the source of samples cannot be sent to workers ({error}); set num_workers=0"
            ) from error


@contextmanager
def _tokenizers_told() -> Generator[None]:
    """The tokenizers package would warn of the fork, and then do what this asks of it."""
    is_told = "TOKENIZERS_PARALLELISM" in os.environ
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        yield
    finally:
        if not is_told:
            del os.environ["TOKENIZERS_PARALLELISM"]


def cause_of_death(exit_code: int | None) -> str:
    """How a process ended, in a few words."""
    if exit_code is None or exit_code >= 0:
        return f"exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name}, perhaps for want of memory" if name == "SIGKILL" else name


def work(
    source: SampleSource,
    order: Order,
    tasks: "Connection[Any, Any]",
    results: "Connection[Any, Any]",
    parent: int,
    *ends_of_parent: "Connection[Any, Any]",
) -> None:
    """What a worker does from its first moment to its last."""
    for end in ends_of_parent:
        end.close()
    _settle(parent)
    # Both end with an error when the parent is gone.
    with contextlib.suppress(EOFError, OSError):
        while True:
            step, chosen = tasks.recv()
            for position, index in chosen:
                send(results, ((step, position), _made(source, order, step, index)))


def _settle(parent: int) -> None:
    """One thread, no signals of the terminal, and no life without a parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    torch.set_num_threads(1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DIES, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def _made(source: SampleSource, order: Order, step: int, index: int) -> Made | Failed:
    try:
        return make(source, order, step, index)
    except Exception as error:
        trace = traceback.format_exc()
        if not can_cross(error):
            error = TrainingError(f"{type(error).__name__}: {error}")
        return Failed(error, trace)
