"""The memory of this process: how much it has taken, and what becomes of what it frees."""

import ctypes
import resource
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import cast

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""Names that glibc's mallopt knows its settings by."""

LARGEST_KEPT = 32 << 20
"""Tensors above this many bytes get pages of their own from the kernel whatever is set; glibc's
limit."""

OFTEN_TRIMMED = 64 << 20
"""What glibc may settle on when it is left to itself."""


def peak_memory_bytes() -> int:
    """Largest resident set so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def freed_memory_kept() -> Generator[None]:
    """Inside of this block memory that is freed stays with the process, to be used again.

    The steps of a run ask for the same tensors over and over. Left to itself glibc hands them back
    to the kernel in between and gets them again page by page, zeroed: a fault for every 4 KB, which
    took a tenth of a step's time of MiniVLM. Does nothing where the C library is another.
    """
    tune, trim = _of_libc("mallopt"), _of_libc("malloc_trim")
    if tune is None or trim is None:
        yield
        return
    tune(MMAP_THRESHOLD, LARGEST_KEPT)
    tune(TRIM_THRESHOLD, -1)  # never
    try:
        yield
    finally:
        tune(TRIM_THRESHOLD, OFTEN_TRIMMED)
        trim(0)


def _of_libc(name: str) -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    return cast(Callable[..., int] | None, getattr(ctypes.CDLL(None), name, None))
