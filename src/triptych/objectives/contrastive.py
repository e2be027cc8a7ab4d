"""The contrastive loss: of a batch of pairs, each picture belongs to its own text and no other.

    softmax    each picture chooses among all texts and each text among all pictures      CLIP
    sigmoid    every pair is judged alone, of which only the batch's own ones are right   SigLIP

CLIP: https://arxiv.org/abs/2103.00020 (figure 3)
SigLIP: https://arxiv.org/abs/2303.15343 (equation 1)
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid

from triptych.errors import ShapeError
from triptych.fusion.dual import DualEncoder
from triptych.fusion.pairs import PairInputs


def contrastive(model: DualEncoder, inputs: PairInputs) -> Float[Tensor, ""]:
    """The mean loss of a pair; picture and text of one index belong together.

    Raises:
        ShapeError: there are not as many pictures as texts.
    """
    scores = model(inputs)
    if scores.shape[0] != scores.shape[1]:
        raise ShapeError(
            f"{scores.shape[0]} pictures and {scores.shape[1]} texts make no pairs; give each "
            "picture its text"
        )
    if model.config.fusion.meaning == "softmax":
        return _softmax(scores)
    return _sigmoid(scores)


def _softmax(scores: Float[Tensor, "pair pair"]) -> Float[Tensor, ""]:
    own = torch.arange(len(scores), device=scores.device)
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def _sigmoid(scores: Float[Tensor, "pair pair"]) -> Float[Tensor, ""]:
    sign = 2 * torch.eye(len(scores), device=scores.device, dtype=scores.dtype) - 1
    return -logsigmoid(sign * scores).sum(dim=1).mean()
