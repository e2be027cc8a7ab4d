"""Normalisation of each token's vector, computed in float32 whatever the model runs in.

RMSNorm: https://arxiv.org/abs/1910.07467
"""

from typing import Any, Literal, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from triptych.nn.linear import learns

NormKind: TypeAlias = Literal["rms", "rms_offset", "layer"]


class RMSNorm(nn.Module):
    """Divide by the root mean square, then scale each channel; no mean is taken out."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        scaled = rms_norm(hidden.float(), self.weight.float(), self.eps)
        return scaled.to(hidden.dtype)

    def extra_repr(self) -> str:
        return f"{self.dim}, eps={self.eps}"


class OffsetRMSNorm(RMSNorm):
    """The same with weights that say how far a channel's scale is from one, as in Gemma.

    Kept so because published weights are: adding one and taking it away again loses bits.
    """

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__(dim, eps)
        nn.init.zeros_(self.weight)

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        scale = 1.0 + self.weight.float()
        scaled = rms_norm(hidden.float(), scale, self.eps)
        return scaled.to(hidden.dtype)


def rms_norm(
    hidden: Float[Tensor, "*axis dim"], scale: Float[Tensor, " dim"], eps: float
) -> Float[Tensor, "*axis dim"]:
    """torch's own, but on a CPU with a gradient in fewer steps, which keeps half as much."""
    if hidden.device.type == "cpu" and learns(hidden, scale) and not torch.compiler.is_compiling():
        return cast(Tensor, _RMSNorm.apply(hidden, scale, eps))
    return nn.functional.rms_norm(hidden, scale.shape, scale, eps)


class _RMSNorm(torch.autograd.Function):
    """torch puts it together of five operations on a CPU, and keeps what each has made."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, scale: Tensor, eps: float) -> Tensor:
        length = cast(Tensor, torch.linalg.vector_norm(hidden, dim=-1, keepdim=True))
        inverse = length.square_().div_(hidden.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(hidden, scale, inverse)
        return (hidden * inverse).mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (the decorator hides names)
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        hidden, scale, inverse = ctx.saved_tensors
        normed, weighted = hidden * inverse, upstream[0] * scale
        dim = hidden.shape[-1]
        along = (weighted * normed).sum(dim=-1, keepdim=True).div_(dim)
        of_hidden = weighted.addcmul_(normed, along, value=-1).mul_(inverse)
        of_scale = normed.mul_(upstream[0]).reshape(-1, dim).sum(dim=0)
        return of_hidden, of_scale, None


def make_norm(kind: NormKind, dim: int, eps: float) -> RMSNorm | nn.LayerNorm:
    """RMSNorm of either form, or LayerNorm (torch's own, which accumulates in float32)."""
    if kind == "layer":
        return nn.LayerNorm(dim, eps)
    return RMSNorm(dim, eps) if kind == "rms" else OffsetRMSNorm(dim, eps)
