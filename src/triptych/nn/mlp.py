"""Feed-forward layers, and the activations that published models use."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "squared_relu", "silu"]


def activate(hidden: Float[Tensor, "*axis dim"], name: Activation) -> Float[Tensor, "*axis dim"]:
    """Apply an activation by name.

    `gelu` is exact (erf), `gelu_tanh` its tanh form (SigLIP, T5's gelu_new), `quick_gelu` is
    x * sigmoid(1.702 x) (OpenAI's CLIP, Qwen2-VL), `squared_relu` is relu(x)^2 (Flamingo).
    """
    match name:
        case "gelu":
            return functional.gelu(hidden)
        case "gelu_tanh":
            return functional.gelu(hidden, approximate="tanh")
        case "quick_gelu":
            return hidden * (1.702 * hidden).sigmoid()
        case "relu":
            return functional.relu(hidden)
        case "squared_relu":
            return functional.relu(hidden).square()
        case "silu":
            return functional.silu(hidden)


class MLP(nn.Module):
    """Two matrices with an activation between them."""

    def __init__(
        self,
        dim: int,
        hidden_dim: int,
        activation: Activation,
        bias: bool = True,
        out_dim: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.up = nn.Linear(dim, hidden_dim, bias=bias)
        self.down = nn.Linear(hidden_dim, dim if out_dim is None else out_dim, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "*axis dim"]) -> Float[Tensor, "*axis out_dim"]:
        return self.down(self.dropout(activate(self.up(hidden), self.activation)))


class GatedMLP(nn.Module):
    """down(activation(gate(x)) * up(x)); with silu this is SwiGLU.

    https://arxiv.org/abs/2002.05202
    """

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
