"""How much memory this machine has to spare."""

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def available_memory_bytes() -> int:
    """Memory a new program can take before the machine runs out of it.

    On Linux what the kernel estimates, or what a container's limit leaves, whichever is less;
    elsewhere the machine's whole memory.
    """
    found = [each for each in (_free(), _left_in_container()) if each is not None]
    return min(found, default=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _free() -> int | None:
    if not MEMINFO.is_file():
        return None
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines() if ":" in line)
    kibibytes = lines.get("MemAvailable", "").split()
    return int(kibibytes[0]) * 1024 if kibibytes else None


def _left_in_container() -> int | None:
    """What a memory limit leaves; cached files make way, so they do not count as taken."""
    limit, current = (_read(CGROUP / f"memory.{name}") for name in ("max", "current"))
    if limit is None or current is None or not limit.isdigit():
        return None
    stat = dict(line.split() for line in (_read(CGROUP / "memory.stat") or "").splitlines())
    return int(limit) - int(current) + int(stat.get("inactive_file", 0))


def _read(path: Path) -> str | None:
    return path.read_text().strip() if path.is_file() else None
