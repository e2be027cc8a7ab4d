"""A linear layer that learns by two narrow matrices beside its weight, which stays as it is.

    out = base(hidden) + alpha / rank * up(down(dropout(hidden)))

`up` begins as zeros, so a fresh layer computes bit for bit what its base does. Both matrices are in
float32 whatever the base is kept in.

LoRA: https://arxiv.org/abs/2106.09685
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from triptych.nn.linear import linear
from triptych.nn.stored import StoredLinear


class LoraLinear(nn.Module):
    """A linear layer and the small change to it that is learned."""

    def __init__(
        self,
        base: nn.Linear | StoredLinear,
        rank: int,
        alpha: float,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        """Hang a fresh change on a layer; the generator, on the CPU, draws where it begins."""
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.dropout = dropout
        if isinstance(base, StoredLinear):
            out_dim, in_dim, device = base.out_dim, base.in_dim, base.device
        else:
            (out_dim, in_dim), device = base.weight.shape, base.weight.device
        bound = 1 / math.sqrt(in_dim)
        drawn = torch.empty(rank, in_dim).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(drawn.to(device))
        self.up = nn.Parameter(torch.zeros(out_dim, rank, device=device))

    def forward(self, hidden: Float[Tensor, "*axis in_dim"]) -> Float[Tensor, "*axis out_dim"]:
        wide = self.base(hidden)
        read = hidden.to(self.down.dtype)
        if self.training and self.dropout:
            read = functional.dropout(read, self.dropout)
        change = linear(linear(read, self.down), self.up) * self.scale
        return wide + change.to(wide.dtype)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """A plain layer that computes the same: the base with the change added to its weight."""
        plain = self.base.plain() if isinstance(self.base, StoredLinear) else self.base
        change = (self.up.float() @ self.down.float()) * self.scale
        plain.weight.copy_((plain.weight.float() + change).to(plain.weight.dtype))
        return plain

    def extra_repr(self) -> str:
        return f"rank={len(self.down)}, scale={self.scale:g}"
