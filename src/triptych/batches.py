"""Sequences to one batch: samples, padded to one length, become `ModelInputs`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from triptych.errors import TokenError
from triptych.inputs import IGNORED, PREFIX_BRANCH, ImageSpan, ModelInputs
from triptych.sequences import Sample


def collate(
    samples: Sequence[Sample], *, pad_id: int, pad: Literal["left", "right"] = "right"
) -> ModelInputs:
    """One batch. Generation pads on the left so that all rows continue at one position.

    Raises:
        TokenError: some pictures are pixels and some are features already.
    """
    are_features = {image.is_features for sample in samples for image in sample.images}
    if len(are_features) > 1:
        raise TokenError(
            "one batch holds pictures as pixels and as vision features; "
            "encode all of its samples one way"
        )
    length = max(len(sample.token_ids) for sample in samples)
    shifts = [length - len(s.token_ids) if pad == "left" else 0 for s in samples]
    token_mask = torch.zeros(len(samples), length, dtype=torch.bool)
    for row, (sample, shift) in enumerate(zip(samples, shifts, strict=True)):
        token_mask[row, shift : shift + len(sample.token_ids)] = True
    branches = None
    if any(branch != PREFIX_BRANCH for sample in samples for branch in sample.branches):
        branches = _pad([torch.tensor(s.branches) for s in samples], shifts, length, -1)
    return ModelInputs(
        token_ids=_pad([torch.tensor(s.token_ids) for s in samples], shifts, length, pad_id),
        token_mask=token_mask,
        position_ids=_pad([s.position_ids for s in samples], shifts, length, 0),
        images=tuple(image.pixels for sample in samples for image in sample.images),
        images_are_features=are_features == {True},
        spans=tuple(_shifted_spans(samples, shifts)),
        labels=_pad([torch.tensor(s.labels) for s in samples], shifts, length, IGNORED),
        weights=_label_weights(samples, shifts, length),
        branches=branches,
        mutual_mask=_mutual_mask(samples, shifts, length),
        visual_labels=tuple(labels for sample in samples for labels in sample.visual_labels),
    )


def _mutual_mask(
    samples: Sequence[Sample], shifts: Sequence[int], length: int
) -> Bool[Tensor, "batch token"] | None:
    if not any(sample.num_mutual for sample in samples):
        return None
    mask = torch.zeros(len(samples), length, dtype=torch.bool)
    for row, (sample, shift) in enumerate(zip(samples, shifts, strict=True)):
        mask[row, shift : shift + sample.num_mutual] = True
    return mask


def _label_weights(
    samples: Sequence[Sample], shifts: Sequence[int], length: int
) -> Float[Tensor, "batch token"] | None:
    if all(sample.weights is None for sample in samples):
        return None
    rows = [torch.tensor(s.weights or [1.0] * len(s.token_ids)) for s in samples]
    return _pad(rows, shifts, length, 0)


def _shifted_spans(samples: Sequence[Sample], shifts: Sequence[int]) -> Iterator[ImageSpan]:
    for row, (sample, shift) in enumerate(zip(samples, shifts, strict=True)):
        for span in sample.spans:
            yield replace(span, batch_index=row, start=span.start + shift)


def _pad(rows: Sequence[Tensor], shifts: Sequence[int], length: int, value: int) -> Tensor:
    padded = rows[0].new_full((len(rows), *rows[0].shape[:-1], length), value)
    for row, (values, shift) in enumerate(zip(rows, shifts, strict=True)):
        padded[row, ..., shift : shift + values.shape[-1]] = values
    return padded.movedim(0, -2)
