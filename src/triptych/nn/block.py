"""The pre-norm transformer block.

    hidden -+-> norm_1 -> attention -> scale_1 -> dropout -(+)-+-> norm_2 -> mlp -> scale_2 -(+)->
            '-----------------------------------------------'  '---------------------------'
"""

import torch
from torch import nn

from triptych.nn.attention import Attention
from triptych.nn.cache import LayerCache
from triptych.nn.mlp import MLP, GatedMLP
from triptych.nn.norm import Norm, make_norm
from triptych.nn.rotary import Rotation
from triptych.shapes import AttentionMask, Embeddings


class Block(nn.Module):
    """Attention, then an MLP, each normalised before and added to what came in."""

    def __init__(
        self,
        dim: int,
        attention: Attention,
        mlp: MLP | GatedMLP,
        *,
        norm: Norm = "layer",
        norm_eps: float = 1e-6,
        layer_scale: float | None = None,
        dropout: float = 0.0,
    ) -> None:
        """`layer_scale` is the initial value of a learned factor on each branch, None for none."""
        super().__init__()
        self.norm_1 = make_norm(norm, dim, norm_eps)
        self.attention = attention
        self.norm_2 = make_norm(norm, dim, norm_eps)
        self.mlp = mlp
        self.dropout = nn.Dropout(dropout)
        self.scale_1 = self.scale_2 = None
        if layer_scale is not None:
            self.scale_1 = nn.Parameter(torch.full((dim,), layer_scale))
            self.scale_2 = nn.Parameter(torch.full((dim,), layer_scale))

    def forward(
        self,
        hidden: Embeddings,
        *,
        mask: AttentionMask | None = None,
        is_causal: bool = False,
        rotation: Rotation | None = None,
        cache: LayerCache | None = None,
    ) -> Embeddings:
        branch = self.attention(
            self.norm_1(hidden), mask=mask, is_causal=is_causal, rotation=rotation, cache=cache
        )
        hidden = hidden + self.dropout(branch if self.scale_1 is None else self.scale_1 * branch)
        branch = self.mlp(self.norm_2(hidden))
        return hidden + self.dropout(branch if self.scale_2 is None else self.scale_2 * branch)
