"""Attention: self, cross, grouped, cached.

Query, key, value and output are four separate linear layers, so that a checkpoint of any layout
maps onto them and each can be frozen or adapted alone. Keys and values of grouped-query attention
are never repeated.

Attention Is All You Need: https://arxiv.org/abs/1706.03762
Grouped-query attention: https://arxiv.org/abs/2305.13245
Query-key normalisation: https://arxiv.org/abs/2302.05442
Norms inside a branch (Magneto): https://arxiv.org/abs/2210.06423
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import scaled_dot_product_attention

from triptych.errors import ConfigError, ShapeError
from triptych.nn.cache import AttendingLayer, LayerCache
from triptych.nn.linear import Linear
from triptych.nn.masks import causal_mask
from triptych.nn.norm import RMSNorm, make_norm
from triptych.nn.quantised import Int8Joint, joined
from triptych.nn.rotary import Rotation, apply_rotation
from triptych.shapes import AttentionMask

QKNorm: TypeAlias = Literal["none", "rms", "layer", "rms_width"]
"""Normalisation of queries and keys: none, of each head, or of all heads as one vector."""


class Attention(nn.Module):
    """Attend to the sequence itself, or to a context of another width."""

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
        inner_norm_eps: float | None = None,
    ) -> None:
        """`head_dim` defaults to an equal share of `dim`, `key_bias` to `qkv_bias`.

        `dropout` drops attention weights. With `inner_norm_eps` what the heads have read is
        normalised as one vector before the output layer (Magneto's sub-LN).

        Raises:
            ConfigError: the heads do not divide the width, or the key heads the query heads.
        """
        super().__init__()
        if head_dim is None and dim % num_heads:
            raise ConfigError(f"a width of {dim} does not divide into {num_heads} heads")
        self.dim = dim
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads or num_heads
        self.head_dim = head_dim or dim // num_heads
        self.dropout = dropout
        if num_heads % self.num_kv_heads:
            raise ConfigError(
                f"{num_heads} query heads do not share {self.num_kv_heads} key heads evenly"
            )
        source_dim, kv_dim = context_dim or dim, self.num_kv_heads * self.head_dim
        has_key_bias = qkv_bias if key_bias is None else key_bias
        self.query = Linear(dim, num_heads * self.head_dim, bias=qkv_bias)
        self.key = Linear(source_dim, kv_dim, bias=has_key_bias)
        self.value = Linear(source_dim, kv_dim, bias=qkv_bias)
        self.inner_norm = (
            None
            if inner_norm_eps is None
            else nn.LayerNorm(num_heads * self.head_dim, eps=inner_norm_eps)
        )
        self.out = Linear(num_heads * self.head_dim, dim, bias=out_bias)
        self.joint: Int8Joint | None = None
        """Query, key and value as one layer, once `join` has made it."""
        self.norm_spans_heads = qk_norm == "rms_width"
        self.query_norm = _qk_norm(qk_norm, num_heads, self.head_dim, qk_norm_eps)
        self.key_norm = _qk_norm(qk_norm, self.num_kv_heads, self.head_dim, qk_norm_eps)

    def forward(
        self,
        hidden: Float[Tensor, "batch query dim"],
        *,
        context: Float[Tensor, "batch key context_dim"] | None = None,
        mask: AttentionMask | None = None,
        is_causal: bool = False,
        rotation: Rotation | None = None,
        cache: LayerCache | AttendingLayer | None = None,
    ) -> Float[Tensor, "batch query dim"]:
        """Mix into each token what it may see of the sequence, or of `context` when given.

        `rotation` turns queries and keys of the new tokens. In self-attention `cache` supplies
        the tokens before and takes up the new ones; one that attends itself knows who sees whom.
        In cross-attention an empty `cache` takes up the keys and values of the context and later
        calls read them there; one that attends itself knows which of them each token sees.

        Raises:
            ShapeError: a filled cross-attention cache holds a context of another length.
        """
        if context is None:
            query, key, value = self._all_three(hidden, rotation)
            if cache is not None and not isinstance(cache, LayerCache):
                return self._output(cache.attend(query, key, value))
            if cache is not None:
                key, value = cache.append(key, value)
        else:
            query = self.queries(hidden, rotation)
            if isinstance(cache, LayerCache):
                key, value = self._cached_context(context, cache)
            else:
                key, value = self.keys_and_values(context)
            if cache is not None and not isinstance(cache, LayerCache):
                return self._output(cache.attend(query, key, value))
        dropout = self.dropout if self.training else 0.0
        mixed = attend(query, key, value, mask=mask, is_causal=is_causal, dropout=dropout)
        return self._output(mixed)

    def _output(
        self, mixed: Float[Tensor, "batch head query head_dim"]
    ) -> Float[Tensor, "batch query dim"]:
        read = mixed.transpose(1, 2).flatten(2)
        return self.out(read if self.inner_norm is None else self.inner_norm(read))

    def queries(
        self, hidden: Float[Tensor, "batch query dim"], rotation: Rotation | None = None
    ) -> Float[Tensor, "batch head query head_dim"]:
        """Queries as they are compared with keys: normalised and turned."""
        query = self._heads(self.query(hidden), self.num_heads, self.query_norm)
        return query if rotation is None else apply_rotation(query, rotation)

    def keys_and_values(
        self, source: Float[Tensor, "batch key source_dim"], rotation: Rotation | None = None
    ) -> tuple[
        Float[Tensor, "batch kv_head key head_dim"], Float[Tensor, "batch kv_head key head_dim"]
    ]:
        """Keys (normalised and turned) and values of the tokens attended to."""
        key = self._heads(self.key(source), self.num_kv_heads, self.key_norm)
        value = self._heads(self.value(source), self.num_kv_heads, None)
        return (key if rotation is None else apply_rotation(key, rotation)), value

    def join(self) -> None:
        """Make one layer of query, key and value where they are in eight bits.

        From then on it attends to its own sequence alone, never to a context.
        """
        if self.query_norm is None:
            self.joint = joined(self.query, self.key, self.value)
        if self.joint is not None:
            del self.query, self.key, self.value

    def _all_three(
        self, hidden: Float[Tensor, "batch token dim"], rotation: Rotation | None
    ) -> tuple[
        Float[Tensor, "batch head token head_dim"],
        Float[Tensor, "batch kv_head token head_dim"],
        Float[Tensor, "batch kv_head token head_dim"],
    ]:
        """Queries, keys and values of the same tokens."""
        if self.joint is None:
            return self.queries(hidden, rotation), *self.keys_and_values(hidden, rotation)
        mixed = self.joint(hidden)
        heads = mixed.view(*mixed.shape[:2], -1, self.head_dim).transpose(1, 2)
        num_turning = self.num_heads + self.num_kv_heads
        turning, value = heads[:, :num_turning], heads[:, num_turning:]
        if rotation is not None:
            turning = apply_rotation(turning, rotation)
        return turning[:, : self.num_heads], turning[:, self.num_heads :], value

    def _heads(
        self, x: Float[Tensor, "batch token width"], num_heads: int, norm: nn.Module | None
    ) -> Float[Tensor, "batch head token head_dim"]:
        if norm is not None and self.norm_spans_heads:
            x = norm(x)
        heads = x.view(*x.shape[:2], num_heads, self.head_dim)
        if norm is not None and not self.norm_spans_heads:
            heads = norm(heads)
        return heads.transpose(1, 2)

    def _cached_context(
        self, context: Float[Tensor, "batch key context_dim"], cache: LayerCache
    ) -> tuple[
        Float[Tensor, "batch kv_head key head_dim"], Float[Tensor, "batch kv_head key head_dim"]
    ]:
        if cache.length == 0:
            return cache.append(*self.keys_and_values(context))
        if cache.length != context.shape[1]:
            raise ShapeError(
                f"the cache holds a context of {cache.length} tokens, this one has "
                f"{context.shape[1]}; a new context needs a new cache"
            )
        return cache.keys, cache.values


def _qk_norm(
    kind: QKNorm, num_heads: int, head_dim: int, eps: float
) -> RMSNorm | nn.LayerNorm | None:
    if kind == "none":
        return None
    if kind == "rms_width":
        return make_norm("rms", num_heads * head_dim, eps)
    return make_norm(kind, head_dim, eps)


def attend(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "batch kv_head key head_dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    mask: AttentionMask | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Float[Tensor, "batch head query value_dim"]:
    """Average the values, each weighted by how well its key answers the query.

    Query heads share key heads in consecutive groups. `mask` and `is_causal` both restrict; with
    more keys than queries, causal takes the queries for the last positions. A query that may see
    no key comes out as zeros. `scale` defaults to one over the root of `head_dim`.
    """
    num_heads, num_query, num_kv_heads, num_key = *query.shape[1:3], *key.shape[1:3]
    if num_query == 1:
        is_causal = False  # the last position sees every key
    if is_causal and (mask is not None or num_query != num_key):
        # SDPA's own causal flag excludes a mask and takes the queries for the first positions.
        causal = causal_mask(num_query, num_key, query.device)
        mask, is_causal = causal if mask is None else mask & causal, False
    is_grouped = num_heads != num_kv_heads
    if _learns_faster_spelled_out(query, key):
        if is_causal:
            mask = causal_mask(num_query, num_key, query.device)
        return _attend_spelled_out(query, key, value, mask, scale, dropout)
    if is_grouped and num_query == 1 and (mask is None or mask.shape[1] == 1):
        # While generating, the heads of a group are so many queries to one key head: a third
        # less time on a CPU than SDPA's own grouping.
        query = query.reshape(len(query), num_kv_heads, -1, query.shape[3])
        is_grouped = False
    if is_grouped and mask is not None and query.is_cuda:
        # Of the kernels that take a mask there, none knows groups but the slowest.
        key, value = (x.repeat_interleave(num_heads // num_kv_heads, 1) for x in (key, value))
        is_grouped = False
    mixed = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=is_causal,
        scale=scale,
        enable_gqa=is_grouped,
    )
    return mixed.reshape(len(mixed), num_heads, num_query, -1)


MAX_SPELLED_OUT = 1024
"""Keys up to which attention weights are written out while training in bfloat16 on a CPU."""


def _learns_faster_spelled_out(query: Tensor, key: Tensor) -> bool:
    is_learning = torch.is_grad_enabled() and query.requires_grad
    is_cpu_half = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    return is_learning and is_cpu_half and key.shape[2] <= MAX_SPELLED_OUT


def _attend_spelled_out(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "batch kv_head key head_dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    mask: AttentionMask | None,
    scale: float | None,
    dropout: float,
) -> Float[Tensor, "batch head query value_dim"]:
    """The same with its weights written out.

    With its gradient, in bfloat16 on a CPU, this takes 0.53 to 0.57 of SDPA's time at 256 to 600
    tokens (one core with AVX512-BF16).
    """
    num_heads, num_query, head_dim = query.shape[1:]
    grouped = query.reshape(len(query), key.shape[1], -1, num_query, head_dim)
    scaled = grouped * (head_dim**-0.5 if scale is None else scale)
    scores = torch.matmul(scaled, key[:, :, None].transpose(-1, -2))
    if mask is not None:
        hidden = torch.zeros(mask.shape, dtype=scores.dtype, device=mask.device)
        scores = scores + hidden.masked_fill_(~mask, -1e9)[:, :, None]
    weights = torch.softmax(scores, dim=-1, dtype=scores.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    mixed = torch.matmul(weights, value[:, :, None]).reshape(len(query), num_heads, num_query, -1)
    if mask is not None and not bool(mask.any(dim=-1).all()):
        mixed = mixed * mask.any(dim=-1, keepdim=True)
    return mixed
