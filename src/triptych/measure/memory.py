"""How much memory this process holds, and held at most since one asked."""

from pathlib import Path

from triptych.train.memory import peak_memory_bytes

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")

_FORGET_PEAK = "5"
"""Written to `clear_refs`, it sets the peak of the resident memory to what is resident now."""


def forget_peak() -> bool:
    """Begin to watch anew; False where the system cannot, and peaks are those of the whole run."""
    try:
        CLEAR.write_text(_FORGET_PEAK)
    except OSError:
        return False
    return True


def peak_bytes() -> int:
    """Most that was resident since `forget_peak`, or since the program began where it cannot."""
    found = _status("VmHWM")
    return peak_memory_bytes() if found is None else found


def resident_bytes() -> int:
    """What is resident now; where the system does not tell, the most that ever was."""
    found = _status("VmRSS")
    return peak_memory_bytes() if found is None else found


def _status(field: str) -> int | None:
    if not STATUS.is_file():
        return None
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
