"""The feed-forward half of a transformer block.

GELU: https://arxiv.org/abs/1606.08415
Squared ReLU (Primer): https://arxiv.org/abs/2109.08668
SwiGLU: https://arxiv.org/abs/2002.05202
Norms inside a branch (Magneto): https://arxiv.org/abs/2210.06423
"""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from triptych.nn.linear import Linear, learns
from triptych.nn.quantised import Int8Joint, joined

Activation: TypeAlias = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "squared_relu", "silu"]


def activate(
    x: Float[Tensor, "*axis"], name: Activation, *, may_overwrite: bool = False
) -> Float[Tensor, "*axis"]:
    """Apply an activation by name, onto `x` itself where that saves memory and may be."""
    return _ACTIVATIONS[name](x, may_overwrite)


def _gelu(x: Tensor, may_overwrite: bool) -> Tensor:
    return functional.gelu(x)


def _gelu_tanh(x: Tensor, may_overwrite: bool) -> Tensor:
    return functional.gelu(x, approximate="tanh")


def _quick_gelu(x: Tensor, may_overwrite: bool) -> Tensor:
    # The approximation OpenAI's CLIP was trained with; its weights need it, not the exact GELU.
    # x * sigmoid(1.702 * x), by way of silu: a third of the time on a CPU, a sixth overwriting.
    slope = 1.702
    if may_overwrite:
        return functional.silu(x.mul_(slope), inplace=True).mul_(1 / slope)
    return functional.silu(x * slope) * (1 / slope)


def _relu(x: Tensor, may_overwrite: bool) -> Tensor:
    return functional.relu(x, inplace=may_overwrite)


def _squared_relu(x: Tensor, may_overwrite: bool) -> Tensor:
    return functional.relu(x, inplace=may_overwrite).square()


def _silu(x: Tensor, may_overwrite: bool) -> Tensor:
    return functional.silu(x, inplace=may_overwrite)


_ACTIVATIONS: dict[Activation, Callable[[Tensor, bool], Tensor]] = {
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "relu": _relu,
    "squared_relu": _squared_relu,
    "silu": _silu,
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
        self.up = Linear(dim, hidden_dim, bias=bias)
        self.inner_norm = (
            None if inner_norm_eps is None else nn.LayerNorm(hidden_dim, eps=inner_norm_eps)
        )
        self.down = Linear(hidden_dim, out_dim or dim, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis out_dim"]:
        wide = self.up(hidden)
        wide = activate(wide, self.activation, may_overwrite=not learns(wide))
        if self.training:  # outside of it calling a dropout takes time and does nothing
            wide = self.dropout(wide)
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
        self.gate = Linear(dim, hidden_dim, bias=bias)
        self.up = Linear(dim, hidden_dim, bias=bias)
        self.down = Linear(hidden_dim, dim, bias=bias)
        self.joint: Int8Joint | None = None
        """Gate and up as one layer, once `join` has made it."""
        self.dropout = nn.Dropout(dropout)

    def join(self) -> None:
        """Make one layer of gate and up where they are in eight bits."""
        self.joint = joined(self.gate, self.up)
        if self.joint is not None:
            del self.gate, self.up

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis dim"]:
        if self.joint is None:
            gate, up = self.gate(hidden), self.up(hidden)
        else:
            gate, up = self.joint(hidden).chunk(2, dim=-1)
        if not learns(gate, up):
            gated = activate(gate, self.activation, may_overwrite=True).mul_(up)
        elif self.activation == "silu":
            gated = cast(Tensor, _SwiGLU.apply(gate, up))
        else:
            gated = activate(gate, self.activation) * up
        return self.down(self.dropout(gated) if self.training else gated)


class _SwiGLU(torch.autograd.Function):
    """silu(gate) * up, which keeps the two for the gradient and makes silu(gate) anew.

    Of the widest tensors of a block one less is kept: an eighth of what training a Llama keeps.
    """

    @staticmethod
    def forward(gate: Tensor, up: Tensor) -> Tensor:
        return functional.silu(gate).mul_(up)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *upstreams: Tensor) -> tuple[Tensor | None, Tensor | None]:
        gate, up = ctx.saved_tensors
        upstream, (of_gate, of_up) = upstreams[0], ctx.needs_input_grad
        return (
            torch.ops.aten.silu_backward(upstream * up, gate) if of_gate else None,
            functional.silu(gate).mul_(upstream) if of_up else None,
        )
