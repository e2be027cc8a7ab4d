"""What machine this is, in a few words, and how its results are named."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from triptych.nn.quantised import has_int8

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where figures were measured."""

    cpu: str
    """Name of the processor, as it calls itself."""
    cores: int
    """That this program may use."""
    instructions: tuple[str, ...]
    """Of those that decide about speed, the ones it has."""
    torch: str
    """Version of PyTorch."""

    @property
    def name(self) -> str:
        """As a file may be called: `amd-epyc-2-cores`."""
        words = re.sub(r"\(.*?\)|@.*", " ", self.cpu).lower()
        slug = re.sub(r"[^a-z0-9]+", "-", words).strip("-")
        return f"{slug}-{self.cores}-core{'' if self.cores == 1 else 's'}"


_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "i8mm")


def this_machine() -> Machine:
    """The machine that this program runs on."""
    told = _cpuinfo()
    flags = set((told.get("flags") or told.get("Features") or "").split())
    found = tuple(flag for flag in _FLAGS if flag in flags)
    if has_int8() and not any("vnni" in flag or "int8" in flag for flag in found):
        found += ("vnni",)
    return Machine(
        cpu=told.get("model name") or platform.processor() or platform.machine(),
        cores=_usable_cores(),
        instructions=found,
        torch=torch.__version__,
    )


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first core."""
    if not CPUINFO.is_file():
        return {}
    first = CPUINFO.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}
