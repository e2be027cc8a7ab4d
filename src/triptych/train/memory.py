"""How much memory this process has taken at its highest point."""

import resource
import sys


def peak_memory_bytes() -> int:
    """Largest resident set so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
