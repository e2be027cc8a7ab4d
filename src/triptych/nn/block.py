"""The transformer block that every panel stacks; norms come first unless asked to come last.

    hidden
      |----- norm_1 -- attention -- [scale_1] -- dropout --.
      + <--------------------------------------------------'
      |----- norm_2 -- mlp -------- [scale_2] -- dropout --.
      + <--------------------------------------------------'
    hidden

On Layer Normalization in the Transformer Architecture: https://arxiv.org/abs/2002.04745
Layer scale (CaiT): https://arxiv.org/abs/2103.17239
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from triptych.nn.attention import Attention
from triptych.nn.cache import AttendingLayer, LayerCache
from triptych.nn.mlp import MLP, GatedMLP
from triptych.nn.norm import NormKind, make_norm
from triptych.nn.recompute import Recomputable
from triptych.nn.rotary import Rotation
from triptych.shapes import AttentionMask, Places


class Block(Recomputable):
    """Attention, then MLP, each on a normalised copy and added back."""

    def __init__(
        self,
        attention: Attention,
        mlp: MLP | GatedMLP,
        *,
        norm: NormKind = "layer",
        norm_eps: float = 1e-6,
        layer_scale: float | None = None,
        dropout: float = 0.0,
        norm_last: bool = False,
    ) -> None:
        """`layer_scale` is the initial value of a learned factor on each channel of both
        branches; `dropout` drops channels of both branches before they are added back.
        `norm_last` normalises each sum instead of each branch's input, as BERT and GIT do."""
        super().__init__()
        dim = attention.dim
        self.norm_1 = make_norm(norm, dim, norm_eps)
        self.attention = attention
        self.norm_2 = make_norm(norm, dim, norm_eps)
        self.mlp = mlp
        self.scale_1 = _layer_scale(dim, layer_scale)
        self.scale_2 = _layer_scale(dim, layer_scale)
        self.dropout = nn.Dropout(dropout)
        self.norm_last = norm_last

    def forward(
        self,
        hidden: Float[Tensor, "batch token dim"],
        *,
        context: Float[Tensor, "batch key context_dim"] | None = None,
        mask: AttentionMask | None = None,
        is_causal: bool = False,
        rotation: Rotation | None = None,
        cache: LayerCache | AttendingLayer | None = None,
        wanted: Places | None = None,
    ) -> Float[Tensor, "out_batch out_token dim"]:
        """The arguments are those of `Attention`.

        Nobody attends to what the last block of a panel makes. So it may be told which tokens are
        `wanted`: all are attended to, but these alone go through the MLP, and come out as one row.
        """
        mixed = self.attention(
            hidden if self.norm_last else self.norm_1(hidden),
            context=context,
            mask=mask,
            is_causal=is_causal,
            rotation=rotation,
            cache=cache,
        )
        hidden = hidden + self._branch(mixed, self.scale_1)
        if wanted is not None:
            hidden = hidden[wanted][None]
        if self.norm_last:
            hidden = self.norm_1(hidden)
            return self.norm_2(hidden + self._branch(self.mlp(hidden), self.scale_2))
        return hidden + self._branch(self.mlp(self.norm_2(hidden)), self.scale_2)

    def _branch(
        self, branch: Float[Tensor, "batch token dim"], scale: Float[Tensor, " dim"] | None
    ) -> Float[Tensor, "batch token dim"]:
        """What is added back of a branch."""
        if scale is not None:
            branch = branch * scale
        # Outside of training calling a dropout takes time and does nothing.
        return self.dropout(branch) if self.training else branch


def _layer_scale(dim: int, initial: float | None) -> nn.Parameter | None:
    return None if initial is None else nn.Parameter(torch.full((dim,), initial))
