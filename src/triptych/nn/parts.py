"""Attention in parts: keys that lie in several places, read one place after the other.

Each part is a softmax over its own keys, and the logarithm of the sum of its weights says how much
it counts beside the others:

    mixed = sum of mixed_p * exp(sum_p - total),    total = log of the sum of exp(sum_p)

so a beginning that many sequences share is stored once and never copied to stand beside the rest.

Online softmax: https://arxiv.org/abs/1805.02867
Shared prefixes read in one product: https://arxiv.org/abs/2402.05099
"""

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from triptych.nn.masks import causal_mask

Mixed: TypeAlias = Float[Tensor, "batch head query value_dim"]
LogSums: TypeAlias = Float[Tensor, "batch head query"]
PartMask: TypeAlias = Bool[Tensor, "#batch #head #query key"]

NOTHING = -1e30
"""Log-sum of a query that sees no key of a part: its share there is exactly zero."""


def attend_part(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "batch kv_head key head_dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    *,
    mask: PartMask | None = None,
    is_causal: bool = False,
) -> tuple[Mixed, LogSums]:
    """Average these values by how well their keys answer, with the log of the sum of weights.

    Query heads share key heads in consecutive groups. Causal takes the queries for the last
    positions. A query that may see no key here has a log-sum of `NOTHING`. For inference: the
    log-sums carry no gradient.
    """
    num_heads, num_query, num_kv_heads, num_key = *query.shape[1:3], *key.shape[1:3]
    is_causal = is_causal and num_query > 1
    if is_causal and (mask is not None or num_query != num_key):
        causal = causal_mask(num_query, num_key, query.device)
        mask, is_causal = causal if mask is None else mask & causal, False
    folds = num_heads != num_kv_heads and not is_causal
    if folds and (mask is None or mask.shape[2] == 1):
        # Queries that see alike: those of a group of heads are so many queries to one key head.
        query = query.reshape(len(query), num_kv_heads, -1, query.shape[3])
    if query.device.type == "cpu" and (mask is None or bool(mask.any(dim=-1).all())):
        hidden = None if mask is None else _as_penalty(mask, query.dtype)
        mixed, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, is_causal, attn_mask=hidden
        )
    else:
        mixed, sums = _spelled_out(query, key, value, mask, is_causal)
    shape = (len(query), num_heads, num_query)
    return mixed.reshape(*shape, -1), sums.reshape(shape)


def merge(mixed: Mixed, sums: LogSums, other: Mixed, other_sums: LogSums) -> tuple[Mixed, LogSums]:
    """Two parts of the same queries as one."""
    total = torch.logaddexp(sums, other_sums)
    own = mixed * (sums - total).exp_()[..., None]
    joined = own + other * (other_sums - total).exp_()[..., None]
    return joined.to(mixed.dtype), total


def _as_penalty(mask: PartMask, dtype: torch.dtype) -> Float[Tensor, "#batch #head #query key"]:
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


def _spelled_out(
    query: Float[Tensor, "batch head query head_dim"],
    key: Float[Tensor, "batch kv_head key head_dim"],
    value: Float[Tensor, "batch kv_head key value_dim"],
    mask: PartMask | None,
    is_causal: bool,
) -> tuple[Mixed, LogSums]:
    """The same with its weights written out, where no kernel tells the sums."""
    batch, num_heads, num_query, head_dim = query.shape
    grouped = query.reshape(batch, key.shape[1], -1, num_query, head_dim)
    scores = torch.matmul(grouped * head_dim**-0.5, key[:, :, None].transpose(-1, -2)).float()
    if is_causal:
        mask = causal_mask(num_query, key.shape[2], query.device)
    if mask is not None:
        scores = scores.masked_fill(~mask[:, :, None], NOTHING)
    sums = scores.logsumexp(dim=-1)
    weights = (scores - sums[..., None]).exp()
    if mask is not None:
        weights = weights * mask[:, :, None]
        sums = sums.masked_fill(~mask.any(dim=-1)[:, :, None], NOTHING)
    mixed = torch.matmul(weights.to(value.dtype), value[:, :, None])
    shape = (batch, num_heads, num_query)
    return mixed.reshape(*shape, -1), sums.reshape(shape)
