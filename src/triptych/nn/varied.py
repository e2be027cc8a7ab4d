"""Attention of several sequences of different lengths that lie one after the other in one row.

    row       a a a a b b c c c c c          each sees its own sequence, all of it
    starts    0       4   6         11

On a GPU one kernel takes them all, padding none; elsewhere each is attended to by itself. It stands
where a cache would, so a block needs to know nothing of it.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.nn.attention import attend

HALF = (torch.bfloat16, torch.float16)
"""What the kernel computes in."""


class Varied:
    """Who sees whom in such a row; good for every layer of one pass."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self.lengths = list(lengths)
        starts = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
        self.starts = starts.to(device, non_blocking=True)

    def attend(
        self,
        query: Float[Tensor, "1 head token head_dim"],
        key: Float[Tensor, "1 head token head_dim"],
        value: Float[Tensor, "1 head token head_dim"],
    ) -> Float[Tensor, "1 head token head_dim"]:
        """Mix into each token what it sees of its own sequence."""
        if query.is_cuda and query.dtype in HALF:
            return self._in_one(query, key, value)
        parts = (torch.split(each, self.lengths, dim=2) for each in (query, key, value))
        return torch.cat([attend(*own) for own in zip(*parts, strict=True)], dim=2)

    def _in_one(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        from torch.nn.attention.varlen import varlen_attn  # takes a moment to import

        longest = max(self.lengths)
        query, key, value = (each[0].transpose(0, 1) for each in (query, key, value))
        mixed = varlen_attn(query, key, value, self.starts, self.starts, longest, longest)
        return cast(Tensor, mixed).transpose(0, 1)[None]
