"""Who may attend to whom, drawn as 0/1 rows: a row per query, a column per key.

Every function returns a boolean mask of four axes, `batch head query key` with length 1 where
the mask is the same for all, and True means may attend. Masks combine with `&`. A query that
may see no key at all attends to nothing and comes out as exactly zero (`triptych.nn.attention`).

Where there are more keys than queries, the queries are the last positions of the sequence, as
when new tokens follow cached ones.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from triptych.errors import ShapeError

Device = torch.device | str | None


def causal_mask(
    num_query: int, num_key: int, device: Device = None
) -> Bool[Tensor, "1 1 query key"]:
    """Each token sees itself and what came before.

        num_query=4, num_key=4     num_query=2, num_key=4
          1 0 0 0
          1 1 0 0
          1 1 1 0                    1 1 1 0
          1 1 1 1                    1 1 1 1

    Raises:
        ShapeError: there are more queries than keys.
    """
    return _distance(num_query, num_key, device)[None, None] >= 0


def window_mask(
    num_query: int, num_key: int, window: int, device: Device = None
) -> Bool[Tensor, "1 1 query key"]:
    """No token sees further back than the last `window` tokens, itself included.

    It says nothing of what comes later; combine it with a causal or a prefix mask. Sliding-window
    attention of Mistral 7B, https://arxiv.org/abs/2310.06825. With window=2:

        1 1 1 1
        1 1 1 1
        0 1 1 1
        0 0 1 1

    Raises:
        ShapeError: there are more queries than keys.
    """
    return _distance(num_query, num_key, device)[None, None] < window


def _distance(num_query: int, num_key: int, device: Device) -> Int[Tensor, "query key"]:
    """How many tokens the key lies before the query; negative when it comes later."""
    if num_query > num_key:
        raise ShapeError(
            f"{num_query} queries cannot be the last of {num_key} keys; "
            "the mask needs at least as many keys as queries"
        )
    keys = torch.arange(num_key, device=device)
    return keys[num_key - num_query :, None] - keys


def prefix_mask(
    prefix_lengths: Int[Tensor, " batch"], num_tokens: int
) -> Bool[Tensor, "batch 1 token token"]:
    """The prefix sees all of itself, the rest is causal (prefix language models).

    With a prefix of 2:

        1 1 0 0
        1 1 0 0
        1 1 1 0
        1 1 1 1
    """
    keys = torch.arange(num_tokens, device=prefix_lengths.device)
    in_prefix = keys < prefix_lengths[:, None, None, None]
    return in_prefix | causal_mask(num_tokens, num_tokens, prefix_lengths.device)


def mutual_mask(
    is_mutual: Bool[Tensor, "batch token"],
) -> Bool[Tensor, "batch 1 token token"]:
    """Some tokens all see each other. It says nothing of the others; combine with `|`.

    With is_mutual 0 1 1 0:

        0 0 0 0
        0 1 1 0
        0 1 1 0
        0 0 0 0
    """
    return is_mutual[:, None, :, None] & is_mutual[:, None, None, :]


def document_mask(
    document_ids: Int[Tensor, "batch token"],
) -> Bool[Tensor, "batch 1 token token"]:
    """Causal inside each of the documents packed into one sequence.

    With document ids 7 7 7 8 8:

        1 0 0 0 0
        1 1 0 0 0
        1 1 1 0 0
        0 0 0 1 0
        0 0 0 1 1
    """
    num_tokens = document_ids.shape[1]
    same = document_ids[:, None, :, None] == document_ids[:, None, None, :]
    return same & causal_mask(num_tokens, num_tokens, document_ids.device)


def branch_mask(branches: Int[Tensor, "batch token"]) -> Bool[Tensor, "batch 1 token token"]:
    """Several continuations of one beginning: each sees the beginning and itself.

    Branch 0 is the beginning, branch n the n-th continuation. With branches 0 0 1 1 2 2:

        1 0 0 0 0 0
        1 1 0 0 0 0
        1 1 1 0 0 0
        1 1 1 1 0 0
        1 1 0 0 1 0
        1 1 0 0 1 1
    """
    num_tokens = branches.shape[1]
    query, key = branches[:, None, :, None], branches[:, None, None, :]
    shared = (key == 0) | (key == query)
    return shared & causal_mask(num_tokens, num_tokens, branches.device)


def padding_mask(token_mask: Bool[Tensor, "batch key"]) -> Bool[Tensor, "batch 1 1 key"]:
    """No token sees padding; one row serves every query.

    With token_mask 0 1 1:

        0 1 1
    """
    return token_mask[:, None, None, :]


def last_image_mask(
    image_counts: Int[Tensor, "batch token"], num_images: int, tokens_per_image: int
) -> Bool[Tensor, "batch 1 token key"]:
    """Each text token sees the visual tokens of the latest image at or before it, no other.

    `image_counts` says how many images have begun up to and including each token. The keys are
    the visual tokens of `num_images` images, one image after the other. Flamingo, section 3.1.3,
    https://arxiv.org/abs/2204.14198. With counts 0 1 1 2, two images and two tokens an image:

        0 0 0 0      before the first image: sees nothing
        1 1 0 0
        1 1 0 0
        0 0 1 1
    """
    image_index = torch.arange(num_images, device=image_counts.device)
    latest = image_counts[:, None, :, None] - 1 == image_index
    return latest.repeat_interleave(tokens_per_image, dim=-1)
