"""Attention with grouped heads: self-attention, cross-attention, cached or not."""

from typing import Literal

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from triptych.errors import ConfigError
from triptych.nn.cache import LayerCache
from triptych.nn.norm import make_norm
from triptych.nn.rotary import Rotation, apply_rotation
from triptych.shapes import AttentionMask

QKNorm = Literal["none", "rms", "layer", "rms_width"]
"""Norm of queries and keys: none, over each head, or (rms_width) over all heads together."""


class Attention(nn.Module):
    """Multi-head attention whose key-value heads may be fewer than its query heads."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        context_dim: int | None = None,
        qkv_bias: bool = False,
        key_bias: bool | None = None,
        out_bias: bool = False,
        qk_norm: QKNorm = "none",
        qk_norm_eps: float = 1e-6,
        dropout: float = 0.0,
    ) -> None:
        """`key_bias` None follows `qkv_bias`; EVA's ViT has a bias on queries and values only."""
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if num_heads % num_kv_heads:
            raise ConfigError(f"{num_heads} heads do not divide among {num_kv_heads} kv heads")
        if head_dim is None and dim % num_heads:
            raise ConfigError(f"a width of {dim} does not divide among {num_heads} heads")
        head_dim = dim // num_heads if head_dim is None else head_dim
        context_dim = dim if context_dim is None else context_dim
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, head_dim
        self.dropout = dropout
        kv_dim = num_kv_heads * head_dim
        self.query = nn.Linear(dim, num_heads * head_dim, bias=qkv_bias)
        self.key = nn.Linear(
            context_dim, kv_dim, bias=qkv_bias if key_bias is None else key_bias
        )
        self.value = nn.Linear(context_dim, kv_dim, bias=qkv_bias)
        self.out = nn.Linear(num_heads * head_dim, dim, bias=out_bias)
        self.qk_norm: QKNorm = qk_norm
        if qk_norm != "none":
            kind = "layer" if qk_norm == "layer" else "rms"
            whole = qk_norm == "rms_width"
            self.query_norm = make_norm(kind, dim if whole else head_dim, qk_norm_eps)
            self.key_norm = make_norm(kind, kv_dim if whole else head_dim, qk_norm_eps)

    def forward(
        self,
        hidden: Float[Tensor, "batch query dim"],
        *,
        context: Float[Tensor, "batch key context_dim"] | None = None,
        mask: AttentionMask | None = None,
        is_causal: bool = False,
        rotation: Rotation | None = None,
        cache: LayerCache | None = None,
    ) -> Float[Tensor, "batch query dim"]:
        """Self-attention, or attention to `context`; `rotation` turns the new queries and keys."""
        source = hidden if context is None else context
        query, key = self.query(hidden), self.key(source)
        if self.qk_norm == "rms_width":
            query, key = self.query_norm(query), self.key_norm(key)
        query = rearrange(query, "b t (h d) -> b h t d", d=self.head_dim)
        key = rearrange(key, "b t (h d) -> b h t d", d=self.head_dim)
        value = rearrange(self.value(source), "b t (h d) -> b h t d", d=self.head_dim)
        if self.qk_norm in ("rms", "layer"):
            query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = apply_rotation(query, rotation), apply_rotation(key, rotation)
        if cache is not None:
            key, value = cache.append(key, value)
        dropout = self.dropout if self.training else 0.0
        seen = attend(query, key, value, mask=mask, is_causal=is_causal, dropout=dropout)
        return self.out(rearrange(seen, "b h t d -> b t (h d)"))


def attend(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "batch kv_head key head_dim"],
    value: Float[Tensor, "batch kv_head key head_dim"],
    *,
    mask: AttentionMask | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Float[Tensor, "batch head query head_dim"]:
    """softmax(q k / sqrt(head_dim)) v; keys and values are shared by groups of heads, uncopied.

    A query that may see nothing gets zeros.
    """
    seen = functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return seen
