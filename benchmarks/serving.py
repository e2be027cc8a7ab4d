"""The other half of `peers`: how an engine's process answers requests. Needs numpy alone."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Answer = Callable[[Mapping[str, Any], np.ndarray], dict[str, Any]]
"""From a request and its picture (row, col, colour; 0 to 255) to a reply."""


def serve(load: Callable[[Mapping[str, Any]], tuple[str, Answer]]) -> None:
    """Load what the command line says, then answer until stdin ends.

    What libraries print goes to stderr, so that stdout holds replies alone.
    """
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine, answer = load(json.loads(sys.argv[1]))
    print(json.dumps({"engine": engine}), file=replies, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        picture = np.load(request["picture"])
        reply = answer(request, picture) | {"peak_bytes": peak_bytes()}
        print(json.dumps(reply), file=replies, flush=True)


def peak_bytes() -> int:
    """Most memory that this process had resident; pages of mapped files count."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


class Clock:
    """Times the tokens of one answer, by the clock on the wall and by what the process computed."""

    def __init__(self) -> None:
        self._ticks = [_now()]

    def tick(self) -> None:
        """A token was chosen."""
        self._ticks.append(_now())

    def seconds(self) -> dict[str, float]:
        """From the beginning to the first and to the last token."""
        (start, start_cpu), (first, first_cpu), *_, (last, last_cpu) = [
            *self._ticks,
            self._ticks[-1],
        ]
        return {
            "first_s": first - start,
            "all_s": last - start,
            "first_cpu_s": first_cpu - start_cpu,
            "all_cpu_s": last_cpu - start_cpu,
        }


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
