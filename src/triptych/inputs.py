"""What a model is fed: one batch of token sequences with their pictures.

Only the processor makes these, so training, generation, evaluation and inspection feed a model
the same bytes for the same messages. A panel never sees this structure; fusions take it apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.shapes import Grid, PositionIds, Tiles, TokenIds, TokenMask

IGNORED = -100
"""Label of a position whose next-token prediction is not trained on."""

PREFIX_BRANCH = 0
"""Branch id of tokens that every branch of a sequence can see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpan:
    """Where one picture stands in the batch."""

    batch_index: int
    start: int
    """Position of the first reserved slot (or of the marker, for fusions that keep pictures
    outside the sequence)."""
    num_slots: int
    """Token positions reserved in the sequence."""
    token_grid: Grid | None
    """How the picture's visual tokens lie, where they still lie on a grid."""
    num_frames: int = 1
    """Temporal slices of a clip; 1 for a still picture."""
    tiles: Tiles | None = None
    """How a picture was cut; None for one that was not."""
    offsets: tuple[int, ...] | None = None
    """Where text stands between the tiles of a picture: the position of every reserved slot,
    counted from `start`. None for slots in one run."""
    seconds_per_frame: float | None = None
    """Time between two slices of a clip; None for a still picture."""
    sample_id: str = ""
    """Names the sample in error messages."""

    @property
    def positions(self) -> Sequence[int]:
        """Of every reserved slot, in order."""
        if self.offsets is None:
            return range(self.start, self.start + self.num_slots)
        return [self.start + offset for offset in self.offsets]

    @property
    def stop(self) -> int:
        """The position behind the last reserved slot."""
        return self.start + (self.num_slots if self.offsets is None else self.offsets[-1] + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualLabels:
    """What each visual token of a picture shows, where that is known."""

    words: Int[Tensor, "visual slot word"]
    """Token ids. The words of the first slot say what thing is seen, in no order; each further
    slot holds one letter, in reading order. IGNORED where there are fewer."""
    weights: Float[Tensor, "visual slot"]
    """How much each slot counts; 0 where it is not asked."""
    edges: Float[Tensor, "visual 4"]
    """Left, top, right, bottom of that thing from the middle of the token's cell, in cells; not a
    number where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInputs:
    """One batch: sequences, the pictures inside them, and what is to be learned."""

    token_ids: TokenIds
    token_mask: TokenMask
    """False on padding."""
    position_ids: PositionIds
    images: tuple[Tensor, ...] = ()
    """Per picture or clip, in order of appearance: pixels `channel height width`, of a picture
    cut into tiles `tile channel height width`, of a clip `slice frame channel height width`; or
    cached features, see `images_are_features`."""
    images_are_features: bool = False
    """True when `images` holds frozen vision features, `row col vision_dim`, or
    `slice row col vision_dim` of clips and of tiles, not pixels. Class tokens stand in a row of
    their own above the others, see `VisionFeatures.as_rows`."""
    spans: tuple[ImageSpan, ...] = ()
    """Per picture of `images`, where it stands."""
    labels: Int[Tensor, "batch token"] | None = None
    """The token itself where it is to be predicted (from the position before), else IGNORED.
    Not shifted."""
    weights: Float[Tensor, "batch token"] | None = None
    """How much the prediction of each label counts, negative to unlearn it; None for 1 each."""
    branches: Int[Tensor, "batch token"] | None = None
    """For sequences that share a beginning: 0 on the shared prefix, n on the n-th continuation.
    A continuation sees the prefix and itself, so several answers to one picture cost its tokens
    once. None means one plain sequence a row."""
    mutual_mask: Bool[Tensor, "batch token"] | None = None
    """True on tokens at the beginning that all see each other; None where all is causal."""
    documents: Int[Tensor, "batch token"] | None = None
    """For rows that hold several samples one after the other: which of them each token belongs
    to, counted from 0 in every row, and -1 on padding. A token sees its own document alone;
    branches and mutual tokens mean the same within a document as elsewhere within a row. None
    means one sample a row."""
    visual_labels: tuple[VisualLabels, ...] = ()
    """Of every picture of `images`, or empty."""

    def to(self, device: torch.device | str) -> "ModelInputs":
        """The same inputs on another device."""
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                moved[field.name] = moved_to(value, device)
        return replace(self, images=tuple(moved_to(each, device) for each in self.images), **moved)


def moved_to(value: Tensor, device: torch.device | str) -> Tensor:
    """The same numbers on another device; nobody waits for what that device is still doing."""
    # Only on the way to an accelerator: the other way, they would be read before they are there.
    return value.to(device, non_blocking=value.device.type == "cpu")
