"""The feed-forward half of a transformer block.

GELU: https://arxiv.org/abs/1606.08415
Squared ReLU (Primer): https://arxiv.org/abs/2109.08668
SwiGLU: https://arxiv.org/abs/2002.05202
Norms inside a branch (Magneto): https://arxiv.org/abs/2210.06423
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Activation: TypeAlias = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "squared_relu", "silu"]


def activate(x: Float[Tensor, "*axis"], name: Activation) -> Float[Tensor, "*axis"]:
    """Apply an activation by name."""
    return _ACTIVATIONS[name](x)


def _gelu_tanh(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


def _quick_gelu(x: Tensor) -> Tensor:
    # The approximation OpenAI's CLIP was trained with; its weights need it, not the exact GELU.
    return x * torch.sigmoid(1.702 * x)


def _squared_relu(x: Tensor) -> Tensor:
    return functional.relu(x).square()


_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "relu": functional.relu,
    "squared_relu": _squared_relu,
    "silu": functional.silu,
}


class MLP(nn.Module):
    """Widen, activate, narrow."""

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        activation: Activation,
        bias: bool = True,
        out_dim: int | None = None,
        dropout: float = 0.0,
        inner_norm_eps: float | None = None,
    ) -> None:
        """With `inner_norm_eps` the widened, activated vector is normalised (Magneto's sub-LN)."""
        super().__init__()
        self.activation: Activation = activation
        self.up = nn.Linear(dim, hidden_dim, bias=bias)
        self.inner_norm = (
            None if inner_norm_eps is None else nn.LayerNorm(hidden_dim, eps=inner_norm_eps)
        )
        self.down = nn.Linear(hidden_dim, out_dim or dim, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis out_dim"]:
        wide = self.dropout(activate(self.up(hidden), self.activation))
        return self.down(wide if self.inner_norm is None else self.inner_norm(wide))


class GatedMLP(nn.Module):
    """Widen twice, let one half (activated) gate the other, narrow; SwiGLU with silu."""

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        activation: Activation = "silu",
        bias: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.gate = nn.Linear(dim, hidden_dim, bias=bias)
        self.up = nn.Linear(dim, hidden_dim, bias=bias)
        self.down = nn.Linear(hidden_dim, dim, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        gated = activate(self.gate(hidden), self.activation) * self.up(hidden)
        return self.down(self.dropout(gated))
