"""The contrastive loss: of a batch of pairs, each picture belongs to its own text and no other.

    softmax    each picture chooses among all texts and each text among all pictures      CLIP
    sigmoid    every pair is judged alone, of which only the batch's own ones are right   SigLIP
    queries    as softmax, a picture being as near as the nearest of its queries          BLIP-2

How much a difference of cosines counts is learned (the temperature is one over that). The more
pairs, the better the negatives, so a batch may lie on several processes: `gather` brings what they
embedded together. It is called by all of them alike and puts this process's own rows first:

    process 0   gather([a b])  ->  [a b c d]
    process 1   gather([c d])  ->  [c d a b]

With a gather that carries gradients back to where rows came from, the mean of all processes' losses
has the gradient of one batch. Training needs none that does: there every process computes the loss
of all rows, of which its own alone carry gradients (and its `share` of the temperature's). Their
gradients add up to that of one batch as well, and no process waits for another on the way back.

CLIP: https://arxiv.org/abs/2103.00020 (figure 3)
SigLIP: https://arxiv.org/abs/2303.15343 (equation 1)
BLIP-2: https://arxiv.org/abs/2301.12597 (section 3.1)
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from triptych.errors import ConfigError, ShapeError
from triptych.fusion.dual import DualEncoder
from triptych.fusion.matching import Matcher
from triptych.fusion.pairs import PairInputs

Gather: TypeAlias = Callable[[Tensor], Tensor]
"""The rows of all processes, this process's own first."""

Images: TypeAlias = Float[Tensor, "image *query shared_dim"]
"""Vectors of length one: one a picture, or one for each of its queries."""

Texts: TypeAlias = Float[Tensor, "text shared_dim"]


def alone(rows: Tensor) -> Tensor:
    """Of one process: its own rows are all."""
    return rows


def contrastive(
    model: DualEncoder | Matcher,
    inputs: PairInputs,
    *,
    gather: Gather = alone,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The mean loss of a pair; picture and text of one index belong together.

    Raises:
        ShapeError: there are not as many pictures as texts.
        ConfigError: the model was built without a temperature.
    """
    inputs = inputs.to(model.device)
    images = model.embed_images(inputs.pixels)
    if isinstance(model, Matcher):
        texts = model.embed_texts(inputs.token_ids, inputs.token_mask)
    else:
        texts = model.embed_texts(inputs.token_ids)
    return contrast(model, images, texts, gather=gather, label_smoothing=label_smoothing)


def contrast(
    model: DualEncoder | Matcher,
    images: Images,
    texts: Texts,
    *,
    gather: Gather = alone,
    label_smoothing: float = 0.0,
    share: float = 1.0,
) -> Float[Tensor, ""]:
    """The same of what is embedded already.

    With `share` a matcher's temperature gets that much of its gradient.

    Raises:
        ShapeError: there are not as many pictures as texts.
        ConfigError: the model was built without a temperature.
    """
    if len(images) != len(texts):
        raise ShapeError(
            f"{len(images)} pictures and {len(texts)} texts make no pairs; give each "
            "picture its text"
        )
    by_image = scores(model, images, gather(texts), share)
    if isinstance(model, DualEncoder) and model.config.fusion.meaning == "sigmoid":
        return _sigmoid(by_image)
    by_text = scores(model, gather(images), texts, share).T
    return _softmax(by_image, by_text, label_smoothing)


def scores(
    model: DualEncoder | Matcher, images: Images, texts: Texts, share: float = 1.0
) -> Float[Tensor, "image text"]:
    """How well every picture and every text fit, in units of the learned temperature.

    With `share` a matcher's temperature gets that much of its gradient.

    Raises:
        ConfigError: the model was built without a temperature.
    """
    if isinstance(model, DualEncoder):
        return model.fusion(images @ texts.T)
    if model.fusion.log_scale is None:
        raise ConfigError(
            "this matcher was built without the temperature of its contrast; build it with "
            "pretraining=True to train it"
        )
    scale = model.fusion.log_scale.exp()
    if share < 1:
        scale = share * scale + (1 - share) * scale.detach()
    return nearest(images, texts) * scale


def nearest(
    images: Float[Tensor, "image query shared_dim"], texts: Texts
) -> Float[Tensor, "image text"]:
    """Cosine of a text and of whichever of a picture's queries is nearest to it."""
    return (images @ texts.T).amax(dim=1)


def _softmax(
    by_image: Float[Tensor, "pair all_pairs"],
    by_text: Float[Tensor, "pair all_pairs"],
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    own = torch.arange(len(by_image), device=by_image.device)
    sides = [
        cross_entropy(side, own, label_smoothing=label_smoothing) for side in (by_image, by_text)
    ]
    return (sides[0] + sides[1]) / 2


def _sigmoid(by_image: Float[Tensor, "pair all_pairs"]) -> Float[Tensor, ""]:
    sign = 2 * torch.eye(*by_image.shape, device=by_image.device, dtype=by_image.dtype) - 1
    return -logsigmoid(sign * by_image).sum(dim=1).mean()
