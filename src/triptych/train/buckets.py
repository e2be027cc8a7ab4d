"""Gradients of a model that every rank holds whole, added up over ranks a bucket at a time."""

from collections.abc import Generator, Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

BUCKET_BYTES = 32 * 2**20
"""Gradients that are sent at once."""


def buckets(parameters: Iterable[Tensor]) -> Generator[list[Tensor]]:
    """Parameters whose gradients are sent together: of one kind, and not too many at once."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for each in parameters:
        kinds.setdefault((each.dtype, each.device), []).append(each)
    for alike in kinds.values():
        bucket, size = list[Tensor](), 0
        for each in alike:
            if bucket and size + each.nbytes > BUCKET_BYTES:
                yield bucket
                bucket, size = [], 0
            bucket.append(each)
            size += each.nbytes
        yield bucket


@torch.no_grad()
def add_up(bucket: list[Tensor]) -> None:
    """Replace gradients by their sums over all ranks."""
    flat = torch.cat(
        [
            each.new_zeros(each.numel()) if each.grad is None else each.grad.flatten()
            for each in bucket
        ]
    )
    dist.all_reduce(flat)
    parts: Sequence[Tensor] = torch.split(flat, [each.numel() for each in bucket])
    for each, part in zip(bucket, parts, strict=True):
        if each.grad is None:
            each.grad = torch.empty_like(each)
        each.grad.copy_(part.view_as(each))
