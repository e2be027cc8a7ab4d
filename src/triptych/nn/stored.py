"""A linear layer that stays as it is while others learn, its weight in eight or four bits.

    int8   weight = level x scale of its output
    int4   weight = (level - 8) x scale + middle of its group of 32 inputs, two levels a byte

The weight is made out block by block, in the forward and in the backward pass, and multiplied in
the kind of number of the input. So the gradient of what it reads is exactly that of a plain layer
of the rounded weight, and nothing is kept for it. `triptych.nn.quantised` is quicker, and has no
gradient.

QLoRA: https://arxiv.org/abs/2305.14314
"""

from collections.abc import Iterator
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from triptych.nn.linear import Linear
from triptych.nn.quantised import GROUP, to_int4, to_int8

BLOCK = 1 << 22
"""Weights that are made out at once."""


class StoredLinear(nn.Module):
    """A linear layer that is read and never learns."""

    def __init__(self, plain: nn.Linear, bits: Literal["int8", "int4"]) -> None:
        """Store the weight of a layer, which is not kept; the bias stays as it is.

        A weight whose inputs do not divide into groups of four bits gets eight.
        """
        super().__init__()
        weight = plain.weight.detach()
        self.out_dim, self.in_dim = weight.shape
        self.bits = "int8" if self.in_dim % GROUP else bits
        self.bias = cast(nn.Parameter | None, plain.bias)
        parts = _int8(weight) if self.bits == "int8" else _int4(weight)
        for name, part in zip(("levels", "scale", "middle"), parts, strict=False):
            self.register_buffer(name, part.to(weight.device))

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.get_buffer("levels").device

    @property
    def memory_bytes(self) -> int:
        """What the weight takes, scales and middles included."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def forward(self, hidden: Float[Tensor, "*axis in_dim"]) -> Float[Tensor, "*axis out_dim"]:
        kind = hidden.device.type
        is_mixed = torch.is_autocast_enabled(kind)
        hidden = hidden.to(torch.get_autocast_dtype(kind) if is_mixed else hidden.dtype)
        mixed = cast(Tensor, cast(Any, _Product).apply(hidden, self))
        return mixed if self.bias is None else mixed + self.bias.to(mixed.dtype)

    def blocks(self, dtype: torch.dtype) -> Iterator[Float[Tensor, "_row in_dim"]]:
        """The weight, some rows after the other."""
        step = max(1, BLOCK // self.in_dim)
        for start in range(0, self.out_dim, step):
            yield self._rows(slice(start, start + step)).to(dtype)

    @torch.no_grad()
    def plain(self) -> Linear:
        """A layer with the rounded weight, in float32."""
        made = Linear(self.in_dim, self.out_dim, bias=self.bias is not None, device="meta")
        made.weight = nn.Parameter(torch.cat(list(self.blocks(torch.float32))))
        if self.bias is not None:
            made.bias = self.bias
        return made

    def extra_repr(self) -> str:
        return f"{self.in_dim}, {self.out_dim}, {self.bits}"

    def _rows(self, rows: slice) -> Float[Tensor, "_row in_dim"]:
        levels, scale = self.get_buffer("levels")[rows], self.get_buffer("scale")[rows].float()
        if self.bits == "int8":
            return levels.float() * scale[:, None]
        spread = torch.stack([levels & 15, levels >> 4], dim=-1).flatten(1).float()
        grouped = spread.view(len(levels), -1, GROUP) - 8
        middle = self.get_buffer("middle")[rows].float()
        return (grouped * scale[..., None] + middle[..., None]).flatten(1)


class _Product(torch.autograd.Function):
    """The product with a stored weight; that again is all its gradient needs."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, layer: StoredLinear) -> Tensor:
        ctx.layer = layer
        parts = [functional.linear(hidden, weight) for weight in layer.blocks(hidden.dtype)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        gradient, layer = cast(Tensor, grad_outputs[0]), cast(StoredLinear, ctx.layer)
        wanted, start = gradient.new_zeros(*gradient.shape[:-1], layer.in_dim), 0
        for weight in layer.blocks(gradient.dtype):
            wanted += gradient[..., start : start + len(weight)] @ weight
            start += len(weight)
        return wanted, None


def _int8(weight: Tensor) -> tuple[Tensor, ...]:
    return to_int8(weight.cpu())


def _int4(weight: Tensor) -> tuple[Tensor, ...]:
    levels, scale, middle = to_int4(weight.cpu())
    pairs = levels.to(torch.uint8).view(len(levels), -1, 2)
    # Scale and middle are rounded to bfloat16 already.
    return pairs[..., 0] | pairs[..., 1] << 4, scale.bfloat16(), middle.bfloat16()
