"""Sequences to one batch: samples become `ModelInputs`, one in a row or several.

collate     a a a a a .         one sample a row, padded to the longest
            b b b . . .

pack        a a a a a b         several a row, each a document that sees itself alone
            c c c c d d
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.errors import TokenError
from triptych.inputs import IGNORED, PREFIX_BRANCH, ImageSpan, ModelInputs
from triptych.nn.documents import NO_DOCUMENT
from triptych.sequences import Sample


@dataclass(frozen=True, slots=True)
class _Placed:
    """A sample and where it stands in the batch."""

    sample: Sample
    row: int
    start: int

    @property
    def tokens(self) -> slice:
        return slice(self.start, self.start + len(self.sample.token_ids))


@dataclass(frozen=True, slots=True)
class _Shape:
    """Of a batch."""

    num_rows: int
    length: int


def collate(
    samples: Sequence[Sample], *, pad_id: int, pad: Literal["left", "right"] = "right"
) -> ModelInputs:
    """One batch. Generation pads on the left so that all rows continue at one position.

    Raises:
        TokenError: some pictures are pixels and some are features already.
    """
    length = max(len(sample.token_ids) for sample in samples)
    shifts = [length - len(s.token_ids) if pad == "left" else 0 for s in samples]
    placed = [
        _Placed(sample, row, shift)
        for row, (sample, shift) in enumerate(zip(samples, shifts, strict=True))
    ]
    return _batch(placed, _Shape(len(samples), length), pad_id)


def pack(rows: Sequence[Sequence[Sample]], *, pad_id: int) -> ModelInputs:
    """One batch for training, of rows that hold several samples one after the other.

    A sample keeps its positions, pictures and branches, and sees nothing of the others in its row:
    the loss and its gradients are those of as many rows.

    Raises:
        TokenError: some pictures are pixels and some are features already, or a row is empty.
    """
    placed: list[_Placed] = []
    lengths: list[int] = []
    for row, samples in enumerate(rows):
        if not samples:
            raise TokenError(f"row {row} of the batch holds no sample; leave it out")
        start = 0
        for sample in samples:
            placed.append(_Placed(sample, row, start))
            start += len(sample.token_ids)
        lengths.append(start)
    shape = _Shape(len(rows), max(lengths))
    return replace(_batch(placed, shape, pad_id), documents=_documents(placed, shape))


def _batch(placed: Sequence[_Placed], shape: _Shape, pad_id: int) -> ModelInputs:
    samples = [each.sample for each in placed]
    are_features = {image.is_features for sample in samples for image in sample.images}
    if len(are_features) > 1:
        raise TokenError(
            "one batch holds pictures as pixels and as vision features; "
            "encode all of its samples one way"
        )
    token_mask = torch.zeros(shape.num_rows, shape.length, dtype=torch.bool)
    for each in placed:
        token_mask[each.row, each.tokens] = True
    branches = None
    if any(branch != PREFIX_BRANCH for sample in samples for branch in sample.branches):
        branches = _fill(placed, shape, -1, lambda sample: torch.tensor(sample.branches))
    return ModelInputs(
        token_ids=_fill(placed, shape, pad_id, lambda sample: torch.tensor(sample.token_ids)),
        token_mask=token_mask,
        position_ids=_fill(placed, shape, 0, lambda sample: sample.position_ids),
        images=tuple(image.pixels for sample in samples for image in sample.images),
        images_are_features=are_features == {True},
        spans=tuple(_shifted_spans(placed)),
        labels=_fill(placed, shape, IGNORED, _labels),
        weights=_label_weights(placed, shape),
        branches=branches,
        mutual_mask=_mutual_mask(placed, shape),
        visual_labels=tuple(labels for sample in samples for labels in sample.visual_labels),
    )


def _labels(sample: Sample) -> Int[Tensor, " token"]:
    """Nothing stands before the first token that it could be predicted from."""
    return torch.tensor([IGNORED, *sample.labels[1:]])


def _documents(placed: Sequence[_Placed], shape: _Shape) -> Int[Tensor, "batch token"]:
    documents = torch.full((shape.num_rows, shape.length), NO_DOCUMENT)
    counts = [0] * shape.num_rows
    for each in placed:
        documents[each.row, each.tokens] = counts[each.row]
        counts[each.row] += 1
    return documents


def _mutual_mask(placed: Sequence[_Placed], shape: _Shape) -> Bool[Tensor, "batch token"] | None:
    if not any(each.sample.num_mutual for each in placed):
        return None
    mask = torch.zeros(shape.num_rows, shape.length, dtype=torch.bool)
    for each in placed:
        mask[each.row, each.start : each.start + each.sample.num_mutual] = True
    return mask


def _label_weights(placed: Sequence[_Placed], shape: _Shape) -> Float[Tensor, "batch token"] | None:
    if all(each.sample.weights is None for each in placed):
        return None
    return _fill(
        placed, shape, 0, lambda sample: torch.tensor(sample.weights or [1.0] * len(sample.labels))
    )


def _shifted_spans(placed: Sequence[_Placed]) -> Iterator[ImageSpan]:
    for each in placed:
        for span in each.sample.spans:
            yield replace(span, batch_index=each.row, start=span.start + each.start)


def _fill(
    placed: Sequence[_Placed], shape: _Shape, value: int, values_of: Callable[[Sample], Tensor]
) -> Tensor:
    """A batch of `value`, and in it what each sample has; axes before the tokens stay in front."""
    first = values_of(placed[0].sample)
    filled = first.new_full((*first.shape[:-1], shape.num_rows, shape.length), value)
    for each in placed:
        filled[..., each.row, each.tokens] = values_of(each.sample)
    return filled
