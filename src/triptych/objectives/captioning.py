"""Image-grounded text generation: a Q-Former's queries must hold all that its caption needs.

    picture -> queries -.
                         > next word of the caption        text sees queries and words before
    <dec> a red ------- '

The words never see the picture itself, so what they need has to pass through the queries.

BLIP-2: https://arxiv.org/abs/2301.12597 (section 3.1)
"""

import torch
from jaxtyping import Int
from torch import Tensor

from triptych.errors import ConfigError
from triptych.fusion.matching import Matcher
from triptych.fusion.pairs import PairInputs
from triptych.language import OutputTable
from triptych.objectives.cross_entropy import summed_loss
from triptych.objectives.language_modelling import Loss
from triptych.shapes import VisionFeatures


def captioning(
    model: Matcher,
    features: VisionFeatures,
    inputs: PairInputs,
    *,
    begin_id: int | None = None,
    label_smoothing: float = 0.0,
) -> Loss:
    """Sum of -log p(word | words before it, queries) over all texts but their first tokens.

    `features` are what the vision panel made of the pictures; `inputs` is where the model is. A
    caption begins with `begin_id` instead of its text's first token, which tells the Q-Former that
    it is to write and not to compare; None keeps that.

    Raises:
        ConfigError: the model was built without a head for words.
    """
    head, embedding = model.fusion.word_head, model.connector.text_embedding
    if head is None or embedding is None:
        raise ConfigError(
            "this matcher was built without a head for words; build it with pretraining=True to "
            "train it"
        )
    token_ids = _begun(inputs.token_ids, begin_id)
    hidden = model.read_captions(features, token_ids, inputs.token_mask)
    is_word = inputs.token_mask[:, 1:]
    total, nll = summed_loss(
        head(hidden[:, :-1][is_word]),
        token_ids[:, 1:][is_word],
        (OutputTable(embedding.word.weight, head.bias),),
        label_smoothing=label_smoothing,
    )
    return Loss(total, nll, num_words(inputs))


def num_words(inputs: PairInputs) -> int:
    """Tokens that are to be written."""
    return int(inputs.token_mask[:, 1:].sum())


def _begun(token_ids: Int[Tensor, "batch token"], begin_id: int | None) -> Tensor:
    if begin_id is None:
        return token_ids
    first = torch.full_like(token_ids[:, :1], begin_id)
    return torch.cat([first, token_ids[:, 1:]], dim=1)
