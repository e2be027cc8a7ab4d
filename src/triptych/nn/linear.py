"""Linear layers, multiplied by the quicker of the two libraries that torch comes with.

torch leaves products of float32 on a CPU to MKL. oneDNN often does better, on the same weights in
the same place. Measured on one core of an EPYC with AVX-512:

    rows of input      weight             MKL          oneDNN
    1,024              1280 -> 5120       91 GFLOP/s      105
    286                1536 -> 8960       88              102
    4                  1536 -> 8960       4.3 GB/s        7.1     bytes of the weight
    1                  1536 -> 8960       15              17.5
    1                  8960 -> 1536       21              16

so on one thread a single row whose weight is wider than high stays with MKL. MKL reads the weight
of a single row on one thread whatever it is given (15 and 19 GB/s of these two on two threads,
oneDNN 27 and 22), so on several threads it goes to oneDNN, too. Small products stay, because
calling oneDNN takes 15 microseconds longer.

Where a gradient is wanted and rows are many, so are the product and the gradient of its inputs,
while that of the weight stays with MKL, the quicker there (GFLOP/s):

    rows of input      weight             product        of inputs      of the weight
    852                960 -> 2560        81 to 102      93 to 104      97 to 94
    852                2560 -> 960        94 to 104      92 to 107      92 to 102

For every number of rows that it meets oneDNN makes a program, and keeps a thousand of half a
megabyte each. So rows of zeros are added until their number is one of a few, and very many are
multiplied in blocks.
"""

from bisect import bisect_left
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SMALL = 1 << 21
"""Multiplications below which calling oneDNN takes longer than it saves."""

SIZES = (1, 2, 4, 8, 12, 16, 24, *range(32, 512, 32), 512, 1024, 2048)
"""Numbers of rows that oneDNN is given."""

LEARNING_ROWS = 256
"""Rows from which on oneDNN multiplies what gradients are wanted of."""

BLOCKS = (2048, 1024, 512)
"""Those that are cut off where there are more."""


class Linear(nn.Linear):
    """torch's own layer; only who multiplies differs."""

    def forward(self, input: Float[Tensor, "*axis in_dim"]) -> Float[Tensor, "*axis out_dim"]:
        return linear(input, self.weight, self.bias)


def linear(
    hidden: Float[Tensor, "*axis in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None = None,
) -> Float[Tensor, "*axis out_dim"]:
    """The product with a weight, and the bias."""
    if not _suits_onednn(hidden, weight):
        return functional.linear(hidden, weight, bias)
    if not learns(hidden, weight, bias):
        return _by_onednn(hidden, weight, bias)
    if hidden.numel() // hidden.shape[-1] < LEARNING_ROWS:
        return functional.linear(hidden, weight, bias)
    return cast(Tensor, _Learning.apply(hidden, weight, bias))


class _Learning(torch.autograd.Function):
    """The product of many rows, of which gradients are wanted."""

    @staticmethod
    def forward(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _by_onednn(hidden, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Any) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *upstreams: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight = ctx.saved_tensors
        upstream = upstreams[0].contiguous()
        rows = upstream.view(-1, len(weight))
        of_hidden, of_weight, of_bias = ctx.needs_input_grad
        return (
            linear(upstream, weight.t()) if of_hidden else None,
            rows.t() @ hidden.reshape(len(rows), -1) if of_weight else None,
            rows.sum(dim=0) if of_bias else None,
        )


def _by_onednn(
    hidden: Float[Tensor, "*axis in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None,
) -> Float[Tensor, "*axis out_dim"]:
    rows = hidden.reshape(-1, hidden.shape[-1])
    blocks = [_multiply(block, weight, bias) for block in torch.split(rows, _cut(len(rows)))]
    out = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    return out.view(*hidden.shape[:-1], len(weight))


def _multiply(
    rows: Float[Tensor, "row in_dim"],
    weight: Float[Tensor, "out_dim in_dim"],
    bias: Float[Tensor, " out_dim"] | None,
) -> Float[Tensor, "row out_dim"]:
    """The product of a block, or of fewer rows than the smallest."""
    count = len(rows)
    added = SIZES[bisect_left(SIZES, count)] - count
    return _onednn(functional.pad(rows, (0, 0, 0, added)) if added else rows, weight, bias)[:count]


def _cut(count: int) -> list[int]:
    """Rows in blocks, the largest first, and what is left."""
    cut: list[int] = []
    for block in BLOCKS:
        while count >= block:
            cut.append(block)
            count -= block
    return [*cut, count] if count else cut


def learns(*tensors: Tensor | None) -> bool:
    """Whether a gradient will be asked of what is computed from these.

    If not, what was computed between them and the result may be overwritten.
    """
    return torch.is_grad_enabled() and any(
        each is not None and each.requires_grad for each in tensors
    )


def _onednn(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def _suits_onednn(hidden: Tensor, weight: Tensor) -> bool:
    out_dim, in_dim = weight.shape
    num_rows = hidden.numel() // in_dim
    return (
        num_rows * weight.numel() >= SMALL
        and (num_rows > 1 or out_dim >= in_dim or torch.get_num_threads() > 1)
        and hidden.device.type == "cpu"
        and hidden.dtype == weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )
