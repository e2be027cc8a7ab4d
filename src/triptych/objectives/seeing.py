"""Seeing: every visual token is to say what it shows, in the words of the vocabulary.

    visual token -> language head            -> small, striped, red, triangle   (in no order)
                 -> rotation 1 -> head       -> A
                 -> rotation 2 -> head       -> B
                 -> four of its directions   -> left, top, right, bottom

Questions about a whole picture teach a fresh vision panel next to nothing for thousands of
pictures: that an answer lies in the picture shows only after the panel can see. Where it is known
what every part of a picture shows, as in drawn worlds, this objective teaches to see first. The
rotations and directions are fixed, drawn once from a seed, so nothing is trained that the model
does not keep, and the visual tokens arrive in the space of the word embeddings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from triptych.errors import TrainingError
from triptych.fusion.vlm import VLM
from triptych.inputs import IGNORED, ModelInputs, VisualLabels, moved_to

EDGE_WEIGHT = 0.05
"""Of a cell that an edge is off, beside a nat a word. Counted alike, edges drown the words: what
they ask of the first blocks of a fresh panel is ten to twenty times as large."""


@dataclass(frozen=True, slots=True)
class SeenCounts:
    """What the two means of the loss are taken over, so that batches can be added up."""

    words: float = 0.0
    """Sum of the weights of all that is to be said."""

    edges: int = 0
    """Visual tokens whose thing has known edges."""

    def __add__(self, other: "SeenCounts") -> "SeenCounts":
        return SeenCounts(self.words + other.words, self.edges + other.edges)


def seeing(
    model: VLM,
    visual: Sequence[Float[Tensor, "_visual dim"]],
    labels: Sequence[VisualLabels],
    counts: SeenCounts | None = None,
) -> Float[Tensor, ""]:
    """Weighted mean loss of saying what visual tokens show: nats a word, plus a little for edges.

    `visual` are the tokens of each picture as `VLM.encode` gives them. `counts` are those of a
    whole step, of whose mean this is then the share; None for the mean of these pictures.

    Raises:
        TrainingError: there are not as many labels as visual tokens.
    """
    tokens = torch.cat(list(visual))
    # What is asked is chosen where the labels are made: an accelerator would have to be waited for.
    words = torch.cat([each.words for each in labels])
    weights = torch.cat([each.weights for each in labels])
    edges = torch.cat([each.edges for each in labels])
    if len(tokens) != len(words):
        raise TrainingError(
            f"{len(words)} visual tokens are described but the pictures have {len(tokens)}; "
            "describe the cells of the size that the model is shown"
        )
    counts = count_seen(labels) if counts is None else counts
    said = _saying(model, tokens, words, weights) / max(counts.words, 1e-6)
    return said + EDGE_WEIGHT * _outlining(tokens, edges) / max(counts.edges, 1)


def count_seen(labels: Sequence[VisualLabels]) -> SeenCounts:
    """What there is to be said of some pictures."""
    return SeenCounts(
        sum((float(each.weights.sum()) for each in labels), 0.0),
        sum(int((~each.edges[:, 0].isnan()).sum()) for each in labels),
    )


def num_described(inputs: ModelInputs) -> int:
    """Visual tokens of a batch that are described."""
    return sum(len(labels.words) for labels in inputs.visual_labels)


def _saying(model: VLM, tokens: Tensor, words: Tensor, weights: Tensor) -> Tensor:
    """Summed cross-entropy of the words of all slots, those of one slot sharing it evenly."""
    device, total = tokens.device, tokens.new_zeros(())
    for slot in range(words.shape[1]):
        asked = weights[:, slot].nonzero()[:, 0]
        if len(asked) == 0:
            continue
        own = moved_to(words[asked, slot], device)
        turned = tokens[moved_to(asked, device)]
        if slot:
            turned = turned @ _rotation(tokens.shape[-1], slot).to(turned)
        log_p = model.language.head(turned[None])[0].float().log_softmax(dim=-1)
        is_word = own != IGNORED
        said = (log_p.gather(1, own.clamp(min=0)) * is_word).sum(dim=1)
        total = total - (said / is_word.sum(dim=1)) @ moved_to(weights[asked, slot], device)
    return total


def _outlining(tokens: Tensor, edges: Tensor) -> Tensor:
    """Summed distance between the edges that are said and those that are, in cells."""
    known = (~edges[:, 0].isnan()).nonzero()[:, 0]
    if len(known) == 0:
        return tokens.new_zeros(())
    directions = _rotation(tokens.shape[-1], 0)[:, :4].to(tokens.device)
    said = tokens[moved_to(known, tokens.device)].float() @ directions * 2
    return (said - moved_to(edges[known], tokens.device)).abs().mean(dim=1).sum()


@lru_cache(maxsize=64)
def _rotation(dim: int, number: int) -> Float[Tensor, "dim dim"]:
    """A fixed rotation of visual tokens, the same in every run."""
    drawn = torch.randn(dim, dim, generator=torch.Generator().manual_seed(number))
    rotation, _ = cast(tuple[Tensor, Tensor], torch.linalg.qr(drawn))
    return rotation
