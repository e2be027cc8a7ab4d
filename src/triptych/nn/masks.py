"""Who may look at whom. True means keep; rows ask (query), columns are asked (key)."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from triptych.shapes import AttentionMask


def causal_mask(
    num_query: int, num_key: int, device: torch.device | str | None = None
) -> AttentionMask:
    """Each token sees itself and what came before; the queries are the last of the keys.

        3 queries, 5 keys     1 1 1 0 0
                              1 1 1 1 0
                              1 1 1 1 1
    """
    query = torch.arange(num_key - num_query, num_key, device=device)
    return (torch.arange(num_key, device=device) <= query[:, None])[None, None]


def prefix_mask(prefix_lengths: Int[Tensor, " batch"], num_tokens: int) -> AttentionMask:
    """A prefix that sees itself whole, then causal text.

        prefix of 2 in 4      1 1 0 0
                              1 1 0 0
                              1 1 1 0
                              1 1 1 1
    """
    position = torch.arange(num_tokens, device=prefix_lengths.device)
    in_prefix = position < prefix_lengths[:, None]
    causal = causal_mask(num_tokens, num_tokens, prefix_lengths.device)
    return causal | in_prefix[:, None, None, :]


def document_mask(document_ids: Int[Tensor, "batch token"]) -> AttentionMask:
    """Several documents packed in one row, each causal and alone.

        documents 0 0 1 1     1 0 0 0
                              1 1 0 0
                              0 0 1 0
                              0 0 1 1
    """
    num_tokens = document_ids.shape[1]
    same = document_ids[:, None, :, None] == document_ids[:, None, None, :]
    return same & causal_mask(num_tokens, num_tokens, document_ids.device)


def branch_mask(branches: Int[Tensor, "batch token"]) -> AttentionMask:
    """Several continuations of one prefix (branch 0): each sees the prefix and itself.

        branches 0 0 1 2 2    1 0 0 0 0
                              1 1 0 0 0
                              1 1 1 0 0
                              1 1 0 1 0
                              1 1 0 1 1
    """
    num_tokens = branches.shape[1]
    key, query = branches[:, None, None, :], branches[:, None, :, None]
    causal = causal_mask(num_tokens, num_tokens, branches.device)
    return ((key == 0) | (key == query)) & causal


def padding_mask(token_mask: Bool[Tensor, "batch key"]) -> AttentionMask:
    """Real tokens may be seen, padding may not; broadcasts over queries.

        token_mask 0 1 1      0 1 1
    """
    return token_mask[:, None, None, :]


def last_image_mask(
    image_counts: Int[Tensor, "batch token"], num_images: int, tokens_per_image: int
) -> AttentionMask:
    """Each token sees the last picture at or before it, and no other (Flamingo).

    `image_counts` says how many pictures stand at or before each token. Keys are all pictures of
    the row side by side. A row of the mask may be empty: that token has seen no picture yet.

        counts 0 1 1 2, two pictures of 2 visual tokens     0 0 0 0
                                                            1 1 0 0
                                                            1 1 0 0
                                                            0 0 1 1
    """
    numbers = torch.arange(1, num_images + 1, device=image_counts.device)
    image = numbers.repeat_interleave(tokens_per_image)
    return (image_counts[:, :, None] == image)[:, None]
