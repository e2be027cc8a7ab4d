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

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from triptych.errors import TrainingError
from triptych.fusion.matching import Matcher
from triptych.fusion.pairs import PairInputs
from triptych.shapes import VisionFeatures


class Negatives(NamedTuple):
    """For every pair, who it is to be told from."""

    texts: Int[Tensor, " pair"]
    """Index of a text that does not belong to the pair's picture."""

    images: Int[Tensor, " pair"]
    """Index of a picture that does not belong to the pair's text."""


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
    negatives = hard_negatives(scores.detach(), equal_pairs(inputs), generator)
    count = len(inputs.token_ids)
    own = torch.arange(count, device=scores.device)
    pictures = torch.cat([own, own, negatives.images])
    texts = torch.cat([own, negatives.texts, own])
    logits = model.match_logits(
        VisionFeatures(features.cells[pictures], features.prefix[pictures]),
        inputs.token_ids[texts],
        inputs.token_mask[texts],
    )
    matches = (torch.arange(3 * count, device=scores.device) < count).long()
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
