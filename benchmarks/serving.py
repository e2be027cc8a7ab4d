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
    """Times the tokens of one answer."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._first = self._last = 0.0

    def tick(self) -> None:
        """A token was chosen."""
        self._last = time.perf_counter()
        self._first = self._first or self._last

    def seconds(self) -> dict[str, float]:
        """From the beginning to the first and to the last token."""
        return {"first_s": self._first - self._start, "all_s": self._last - self._start}
