"""Norms: RMSNorm, and one way to make either kind by name."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

Norm = Literal["rms", "layer"]


class RMSNorm(nn.Module):
    """Scale each vector to unit root mean square, then by a learned weight.

    Computed in float32 whatever the input's precision. https://arxiv.org/abs/1910.07467
    """

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        if hidden.dtype == torch.float32:
            return nn.functional.rms_norm(hidden, self.weight.shape, self.weight, self.eps)
        wide = nn.functional.rms_norm(hidden.float(), self.weight.shape, eps=self.eps)
        return self.weight * wide.to(hidden.dtype)


def make_norm(kind: Norm, dim: int, eps: float) -> nn.Module:
    """A norm over the last axis."""
    return RMSNorm(dim, eps) if kind == "rms" else nn.LayerNorm(dim, eps=eps)
