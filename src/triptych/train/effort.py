"""What a step asks of the machine, and what the machine can do: operations of matrix products.

A multiplication and an addition count two. What one step does is counted while it does it: forward,
backward and optimizer, in whatever kind of number, recomputed blocks as often as they are computed.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

MEASURE_S = 0.2
"""Time that finding the peak takes."""

SIDE = 1024
"""Of the square matrices whose product is the peak."""


class OperationCounter(TorchDispatchMode):
    """Counts the operations of what runs inside of it; it changes no number."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do it, and count it if it is one that counts."""
        keywords = dict(kwargs or {})
        out = func(*args, **keywords)
        packet = func._overloadpacket
        if packet in _FORMULAS:
            self.operations += _FORMULAS[packet](*args)
        elif packet in flop_counter.flop_registry:
            self.operations += flop_counter.flop_registry[packet](*args, **keywords, out_val=out)
        return out


def _linear(rows: Tensor, weight: Tensor, *_: object) -> int:
    return 2 * math.prod(rows.shape[:-1]) * weight.numel()


def _added(_: Tensor, first: Tensor, second: Tensor) -> int:
    return 2 * first.numel() * second.shape[-1]


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: object) -> int:
    return flop_counter.sdpa_flop_count(query.shape, key.shape, value.shape)


def _attention_backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object
) -> int:
    shapes = [each.shape for each in (gradient, query, key, value)]
    return flop_counter.sdpa_backward_flop_count(*shapes)


_ATEN = torch.ops.aten
_FORMULAS: Mapping[Any, Callable[..., int]] = {
    _ATEN.linear: _linear,
    torch.ops.mkldnn._linear_pointwise: _linear,
    _ATEN.addmm_: _added,
    _ATEN.scaled_dot_product_attention: _attention,
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention,
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
"""Of those that torch's own table leaves out."""


@torch.inference_mode()
def gemm_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of a large square product, the best of as many as the time allows."""
    generator = torch.Generator().manual_seed(0)
    square = torch.randn(SIDE, SIDE, generator=generator).to(device, dtype)
    product = torch.empty_like(square)
    best, end = math.inf, time.perf_counter() + MEASURE_S
    torch.mm(square, square, out=product)  # warms up
    while best == math.inf or time.perf_counter() < end:
        _wait_for(device)
        started = time.perf_counter()
        torch.mm(square, square, out=product)
        _wait_for(device)
        best = min(best, time.perf_counter() - started)
    return 2 * SIDE**3 / best


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
