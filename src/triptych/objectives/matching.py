"""Image-text matching: does this text belong to this picture, judged by reading both together?

    pairs       (a, A) (b, B) (c, C)                     do match
    negatives   every picture with another's text        do not
                every text with another's picture        do not

A negative is drawn by how well it seems to fit, so that the model learns from what it finds hard:
from the softmax of the contrastive scores, without the pair itself and without whatever is equal
to it. The same picture with two captions in one batch is never its own negative.

ALBEF: https://arxiv.org/abs/2107.07651 (section 3.2)
BLIP-2: https://arxiv.org/abs/2301.12597 (section 3.1)
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from triptych.errors import TrainingError
from triptych.fusion.matching import Matcher
from triptych.fusion.pairs import PairInputs
from triptych.shapes import TokenIds, TokenMask, VisionFeatures


class Negatives(NamedTuple):
    """For every pair, who it is to be told from."""

    texts: Int[Tensor, " pair"]
    """Index of a text that does not belong to the pair's picture."""

    images: Int[Tensor, " pair"]
    """Index of a picture that does not belong to the pair's text."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Pairs that are compared with each other. Where several processes hold them, each has all, and
    gradients only through its own."""

    images: Float[Tensor, "pair query shared_dim"]
    """Vectors of length one."""

    texts: Float[Tensor, "pair shared_dim"]

    features: VisionFeatures
    """What the vision panel made of the pictures; of this process's alone where none is matched."""

    token_ids: TokenIds

    token_mask: TokenMask

    equal: Bool[Tensor, "pair pair"]
    """Which pairs have an equal picture or an equal text, every pair with itself among them."""

    own: Int[Tensor, " own"]
    """Indexes of those that this process answers for."""

    @property
    def share(self) -> float:
        """How many of all pairs these are."""
        return len(self.own) / len(self.texts)


def compared_here(
    images: Float[Tensor, "pair query shared_dim"],
    texts: Float[Tensor, "pair shared_dim"],
    features: VisionFeatures,
    inputs: PairInputs,
) -> Compared:
    """Of pairs that one process holds."""
    own = torch.arange(len(texts), device=texts.device)
    equal = equal_pairs(inputs)
    return Compared(images, texts, features, inputs.token_ids, inputs.token_mask, equal, own)


def matching(
    model: Matcher,
    features: VisionFeatures,
    inputs: PairInputs,
    scores: Float[Tensor, "pair pair"],
    generator: Generator,
) -> Float[Tensor, ""]:
    """Mean loss of saying of pairs and negatives, one in three of them true, whether they match.

    `features` are what the vision panel made of the pictures, `scores` the contrastive ones, from
    which negatives are drawn; `inputs` is where the model is.

    Raises:
        TrainingError: a pair has nothing in the batch that it could be told from.
    """
    nothing = scores.new_zeros(len(scores), 0)
    return match(
        model, compared_here(nothing[:, None], nothing, features, inputs), scores, generator
    )


def match(
    model: Matcher,
    compared: Compared,
    scores: Float[Tensor, "pair pair"],
    generator: Generator,
) -> Float[Tensor, ""]:
    """The same of pairs that several processes may hold, as a mean over this one's own.

    Negatives come from all of them; all processes draw the same, from equal generators.

    Raises:
        TrainingError: a pair has nothing in the batch that it could be told from.
    """
    drawn = hard_negatives(scores.detach(), compared.equal, generator)
    own, features = compared.own, compared.features
    pictures = torch.cat([own, own, drawn.images[own]])
    texts = torch.cat([own, drawn.texts[own], own])
    logits = model.match_logits(
        VisionFeatures(features.cells[pictures], features.prefix[pictures]),
        compared.token_ids[texts],
        compared.token_mask[texts],
    )
    matches = (torch.arange(3 * len(own), device=scores.device) < len(own)).long()
    return cross_entropy(logits.float(), matches)


def hard_negatives(
    scores: Float[Tensor, "pair pair"], equal: Bool[Tensor, "pair pair"], generator: Generator
) -> Negatives:
    """Draw for every picture a text and for every text a picture; `equal` marks what is none.

    Raises:
        TrainingError: a pair has nothing in the batch that it could be told from.
    """
    lonely = equal.all(dim=1).nonzero()
    if len(lonely):
        raise TrainingError(
            f"pair {int(lonely[0])} of {len(scores)} has no other pair in its batch to be told "
            "from; make batches of at least two different pairs"
        )
    return Negatives(_drawn(scores, equal, generator), _drawn(scores.T, equal.T, generator))


def equal_pairs(inputs: PairInputs) -> Bool[Tensor, "pair pair"]:
    """Which pairs have an equal picture or an equal text, every pair with itself among them."""
    texts = inputs.token_ids.masked_fill(~inputs.token_mask, -1)
    pictures = inputs.pixels.flatten(1)
    same_text = (texts[:, None] == texts).all(dim=-1)
    # Row by row: all differences at once would be as large as the batch squared.
    same_picture = torch.stack([(pictures == own).all(dim=1) for own in pictures])
    return same_text | same_picture


def _drawn(
    scores: Float[Tensor, "pair pair"], equal: Bool[Tensor, "pair pair"], generator: Generator
) -> Int[Tensor, " pair"]:
    chances = scores.float().masked_fill(equal, -torch.inf).softmax(dim=1).cpu()
    return torch.multinomial(chances, 1, generator=generator)[:, 0].to(scores.device)
