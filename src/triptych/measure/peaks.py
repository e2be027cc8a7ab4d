"""What this machine can do at most: products of matrices, and reading memory.

    GEMM   2 x rows x inputs x outputs operations of a linear layer, over its time; the best of a
           square and of shapes that language and vision panels have
    read   bytes of an array larger than any cache, over the time to add it up

Each is warmed up and then the best of several is taken, at the threads in use: what is asked is
what the machine can do, not what it does on average. All together takes a few seconds.

The roofline that shares of these peaks are read from: https://doi.org/10.1145/1498765.1498785
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from triptych.nn.linear import linear
from triptych.nn.quantised import has_int8

SHAPES = ((1024, 1024, 1024), (288, 1536, 8960), (1024, 1280, 5120))
"""Rows, inputs and outputs: a square, a prompt in the feed-forward layer of Qwen2-VL-2B's language
panel, a picture of 448 x 448 pixels in that of its vision panel. The weights of the second are
beyond most caches."""

READ_BYTES = 256 * 2**20
"""Of the array that is read: several times the caches of ordinary machines."""

KINDS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.int8,
}
"""Kinds of numbers whose products can be measured."""

GIGA = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The most that was measured."""

    gemm: Mapping[str, float]
    """Operations a second by kind of number."""
    read: float
    """Bytes a second."""
    num_threads: int

    def better(self, other: "Peaks") -> "Peaks":
        """The best of two measurements of one machine."""
        kinds = dict.fromkeys([*self.gemm, *other.gemm])
        best = {kind: max(self.gemm.get(kind, 0), other.gemm.get(kind, 0)) for kind in kinds}
        return Peaks(gemm=best, read=max(self.read, other.read), num_threads=self.num_threads)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "gemm_gflop_per_s": {kind: rate / GIGA for kind, rate in self.gemm.items()},
            "read_gb_per_s": self.read / GIGA,
            "threads": self.num_threads,
        }


def usual_kinds() -> list[str]:
    """The kinds worth measuring here: eight bits only where the CPU has instructions for them."""
    return ["float32", "bfloat16", *(["int8"] if has_int8() else [])]


def measure_peaks(kinds: Iterable[str] | None = None, *, seconds: float = 0.15) -> Peaks:
    """Measure what the machine can do now, at torch's number of threads.

    Args:
        kinds: Of numbers, see `KINDS`; None for the usual ones.
        seconds: How long each product is repeated, and the reading twice as long.
    """
    with torch.inference_mode():
        gemm = {
            kind: max(_gemm_rate(kind, shape, seconds) for shape in SHAPES)
            for kind in (usual_kinds() if kinds is None else kinds)
        }
        read = _read_rate(2 * seconds)
    return Peaks(gemm=gemm, read=read, num_threads=torch.get_num_threads())


def best_seconds(work: Callable[[], object], seconds: float, *, least: int = 3) -> float:
    """The shortest time of a work that is done once for warmth, then until the time is up."""
    work()
    end = time.perf_counter() + seconds
    times: list[float] = []
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _gemm_rate(kind: str, shape: tuple[int, int, int], seconds: float) -> float:
    rows, inputs, outputs = shape
    operations = 2 * rows * inputs * outputs
    products = _products(kind, rows, inputs, outputs)
    return operations / min(best_seconds(product, seconds) for product in products)


def _products(kind: str, rows: int, inputs: int, outputs: int) -> list[Callable[[], Tensor]]:
    """A linear layer of that shape, its inputs already in that kind of number.

    By torch's own choice of a library, and by ours; where those agree it is measured twice.
    """
    generator = torch.Generator().manual_seed(0)
    if kind == "int8":
        return [_int8_product(rows, inputs, outputs, generator)]
    dtype = KINDS[kind]
    hidden = torch.randn(rows, inputs, generator=generator).to(dtype)
    weight = torch.randn(outputs, inputs, generator=generator).to(dtype)
    return [lambda: functional.linear(hidden, weight), lambda: linear(hidden, weight)]


def _int8_product(
    rows: int, inputs: int, outputs: int, generator: torch.Generator
) -> Callable[[], Tensor]:
    """oneDNN's, the quickest of many rows, without finding the scales of the inputs."""
    levels = torch.randint(-127, 128, (outputs, inputs), generator=generator, dtype=torch.int8)
    hidden = torch.randint(0, 256, (rows, inputs), generator=generator, dtype=torch.uint8)
    packed: Tensor = torch.ops.onednn.qlinear_prepack(levels, None)
    scales, zeros = torch.ones(outputs), torch.zeros(outputs, dtype=torch.int32)
    return lambda: torch.ops.onednn.qlinear_pointwise(
        hidden, 1.0, 128, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )


def _read_rate(seconds: float) -> float:
    """Whole numbers add up without waiting for each other, so memory is all that is waited for."""
    array = torch.ones(READ_BYTES // 8, dtype=torch.int64)
    return array.nbytes / best_seconds(array.sum, seconds)
