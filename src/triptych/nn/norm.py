"""Normalisation of each token's vector, computed in float32 whatever the model runs in.

RMSNorm: https://arxiv.org/abs/1910.07467
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

NormKind: TypeAlias = Literal["rms", "layer"]


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


def make_norm(kind: NormKind, dim: int, eps: float) -> RMSNorm | nn.LayerNorm:
    """RMSNorm or LayerNorm (torch's own, which accumulates in float32)."""
    return RMSNorm(dim, eps) if kind == "rms" else nn.LayerNorm(dim, eps)
