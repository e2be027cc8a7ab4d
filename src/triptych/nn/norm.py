"""Normalisation of each token's vector, computed in float32 whatever the model runs in.

RMSNorm: https://arxiv.org/abs/1910.07467
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

NormKind: TypeAlias = Literal["rms", "rms_offset", "layer"]


class RMSNorm(nn.Module):
    """Divide by the root mean square, then scale each channel; no mean is taken out."""

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        scaled = nn.functional.rms_norm(hidden.float(), (self.dim,), self.weight.float(), self.eps)
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
        scaled = nn.functional.rms_norm(hidden.float(), (self.dim,), scale, self.eps)
        return scaled.to(hidden.dtype)


def make_norm(kind: NormKind, dim: int, eps: float) -> RMSNorm | nn.LayerNorm:
    """RMSNorm of either form, or LayerNorm (torch's own, which accumulates in float32)."""
    if kind == "layer":
        return nn.LayerNorm(dim, eps)
    return RMSNorm(dim, eps) if kind == "rms" else OffsetRMSNorm(dim, eps)
