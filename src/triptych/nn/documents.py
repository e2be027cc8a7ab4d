"""Several documents in one row: linear layers see the row, attention sees the documents.

    row      a a a a b b c c c . .         three documents and padding

A mask over the whole row would be right as well, but most of what it hides would be computed first:
of 2,048 tokens in documents of 66, 97 parts in a hundred. So every document attends to itself as if
it stood alone.

    a a a a          b b          c c c           each with a mask of its own, or simply causal

Nothing of one document takes part in the sums of another, so a change of one leaves the others as
they were to the last bit, gradients included.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.nn.attention import attend
from triptych.nn.masks import branch_mask, causal_mask, mutual_mask, window_mask
from triptych.shapes import AttentionMask

NO_DOCUMENT = -1
"""Document id of padding."""


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens of one row that stand one after the other and belong to one document."""

    row: int
    start: int
    length: int
    document: int


class Documents:
    """Who sees whom in rows of several documents; good for every layer of one pass."""

    def __init__(
        self,
        document_ids: Int[Tensor, "batch token"],
        *,
        branches: Int[Tensor, "batch token"] | None = None,
        mutual: Bool[Tensor, "batch token"] | None = None,
        window: int | None = None,
    ) -> None:
        """`branches` and `mutual` as in `triptych.nn.masks`; `window` is how many tokens a token
        sees, itself included, None for all before it."""
        self.runs = runs_of(document_ids)
        self._masks = [_mask_of(run, branches, mutual, window, document_ids) for run in self.runs]

    def attend(
        self,
        query: Float[Tensor, "batch head token head_dim"],
        key: Float[Tensor, "batch kv_head token head_dim"],
        value: Float[Tensor, "batch kv_head token head_dim"],
    ) -> Float[Tensor, "batch head token head_dim"]:
        """Mix into each token what it may see of its own document; padding becomes zero."""
        lengths = [run.length for run in self.runs]
        parts = (_in_runs(each, lengths) for each in (query, key, value))
        mixed: list[Tensor] = [
            torch.zeros_like(own[0])
            if run.document == NO_DOCUMENT
            else attend(*own, mask=mask, is_causal=mask is None)
            for run, mask, *own in zip(self.runs, self._masks, *parts, strict=True)
        ]
        return _in_rows(mixed, len(query))


class Looks:
    """Which of a row's pictures each token looks at, for cross-attention to one picture a token.

    As in documents, nothing is computed that a mask would only hide: the tokens between one picture
    and the next read the keys of one picture, those before the first read none.
    """

    def __init__(
        self, image_counts: Int[Tensor, "batch token"], num_images: int, tokens_per_image: int
    ) -> None:
        """`image_counts` as in `triptych.nn.masks.last_image_mask`."""
        self._runs = runs_of(image_counts - 1)
        self._num_images, self._tokens_per_image = num_images, tokens_per_image

    def attend(
        self,
        query: Float[Tensor, "batch head token head_dim"],
        key: Float[Tensor, "batch kv_head key head_dim"],
        value: Float[Tensor, "batch kv_head key head_dim"],
    ) -> Float[Tensor, "batch head token head_dim"]:
        """Mix into each token what it sees of its picture; a token without one becomes zero."""
        queries = _in_runs(query, [run.length for run in self._runs])
        sizes = [self._tokens_per_image] * (self._num_images * len(key))
        keys, values = _in_runs(key, sizes), _in_runs(value, sizes)
        mixed: list[Tensor] = []
        for run, own in zip(self._runs, queries, strict=True):
            image = run.row * self._num_images + run.document
            is_blind = run.document == NO_DOCUMENT
            mixed.append(
                torch.zeros_like(own) if is_blind else attend(own, keys[image], values[image])
            )
        return _in_rows(mixed, len(query))


def runs_of(document_ids: Int[Tensor, "batch token"]) -> list[Run]:
    """The documents of all rows in order, and the padding between them."""
    runs: list[Run] = []
    for row, ids in enumerate(cast(list[list[int]], document_ids.tolist())):
        start = 0
        for document, same in groupby(ids):
            length = len(list(same))
            runs.append(Run(row, start, length, document))
            start += length
    return runs


def _in_runs(
    rows: Float[Tensor, "batch head token head_dim"], lengths: Sequence[int]
) -> list[Float[Tensor, "1 head _run head_dim"]]:
    parts = torch.split(rows.transpose(1, 2).flatten(0, 1), list(lengths))
    return [part.transpose(0, 1)[None] for part in parts]


def _in_rows(
    runs: Sequence[Float[Tensor, "1 head _run head_dim"]], num_rows: int
) -> Float[Tensor, "batch head token head_dim"]:
    # Tokens first, as the layer that follows reads them.
    rows = torch.cat([each[0].transpose(0, 1) for each in runs])
    return rows.view(num_rows, -1, *rows.shape[1:]).transpose(1, 2)


def _mask_of(
    run: Run,
    branches: Int[Tensor, "batch token"] | None,
    mutual: Bool[Tensor, "batch token"] | None,
    window: int | None,
    like: Tensor,
) -> AttentionMask | None:
    """Who sees whom within one document, where that is not simply causal."""
    own = slice(run.row, run.row + 1), slice(run.start, run.start + run.length)
    seen = None
    if branches is not None and bool((branches[own] != 0).any()):
        seen = branch_mask(branches[own])
    is_mutual = mutual is not None and bool(mutual[own].any())
    is_narrow = window is not None and window < run.length
    if run.document == NO_DOCUMENT or (seen is None and not is_mutual and not is_narrow):
        return None
    if seen is None:
        seen = causal_mask(run.length, run.length, like.device)
    if mutual is not None and is_mutual:
        seen = seen | mutual_mask(mutual[own])
    if window is not None and is_narrow:
        seen = seen & window_mask(run.length, run.length, window, like.device)
    return seen
