"""Preferences: of two answers to one prompt, one is to become likelier, the other less likely.

    margin = (log p - log q)(chosen) - (log p - log q)(rejected)        p learns, q is the reference
    loss   = -log sigmoid(strength x margin)

No reward model and no sampling: what p prefers over what q did is the reward. A pair is one sample
of two branches, `processor.encode_answers(prompt, [chosen, rejected])`, so pictures and prompt are
read once for both. The reference is a frozen copy from before, or what it said, computed once.

Direct preference optimisation: https://arxiv.org/abs/2305.18290 (equation 7)
Smoothed for labels that may be wrong: https://arxiv.org/abs/2305.18290 with
https://ericmitchell.ai/cdpo.pdf; by length: https://arxiv.org/abs/2403.19159
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from triptych.errors import ConfigError, ShapeError, TrainingError
from triptych.fusion.vlm import VLM
from triptych.inputs import ModelInputs
from triptych.objectives.cross_entropy import token_losses
from triptych.objectives.language_modelling import labelled_positions, predecessors

CHOSEN, REJECTED = 1, 2
"""Branches of a pair."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreferenceConfig:
    """How answers are compared."""

    strength: float = 0.1
    """Of the pull back to the reference (beta): the smaller, the further the model may go."""

    by_length: bool = False
    """Divide the log-probability of an answer by its tokens, so that long answers gain nothing."""

    label_smoothing: float = 0.0
    """Share of pairs that may be the wrong way round, 0 to below one half."""

    def __post_init__(self) -> None:
        if self.strength <= 0:
            raise ConfigError(f"strength must be above 0, got {self.strength}")
        if not 0 <= self.label_smoothing < 0.5:
            raise ConfigError(f"label_smoothing must be in [0, 0.5), got {self.label_smoothing}")


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """A summed loss, with what normalises it."""

    total: Float[Tensor, ""]
    """Sum over pairs, in nats."""

    num_preferred: int
    """Pairs of which the chosen answer has gained more than the rejected one."""

    num_pairs: int


@dataclass(frozen=True, slots=True)
class PairLikelihoods:
    """How likely both answers of every pair are."""

    log_p: Float[Tensor, "pair answer"]
    """Sums over the tokens of an answer, in nats; the chosen one first."""

    num_tokens: Int[Tensor, "pair answer"]


def preferences(
    model: VLM,
    inputs: ModelInputs,
    reference: Float[Tensor, "pair answer"],
    config: PreferenceConfig,
    visual: Sequence[Float[Tensor, "_visual visual_dim"]] | None = None,
) -> PreferenceLoss:
    """The loss of all pairs; `reference` is what `answer_likelihoods` said before training.

    Raises:
        TrainingError: a sample is no pair of answers.
        ShapeError: the reference is of other pairs.
    """
    likely = answer_likelihoods(model, inputs, visual)
    if reference.shape != likely.log_p.shape:
        raise ShapeError(
            f"the reference judged {len(reference)} pairs but the batch has {len(likely.log_p)}; "
            "let it judge this batch"
        )
    gained = likely.log_p - reference.to(likely.log_p.device)
    if config.by_length:
        gained = gained / likely.num_tokens
    margin = config.strength * (gained[:, 0] - gained[:, 1])
    right, wrong = -logsigmoid(margin), -logsigmoid(-margin)
    each = (1 - config.label_smoothing) * right + config.label_smoothing * wrong
    return PreferenceLoss(each.sum(), int((margin > 0).sum()), len(margin))


@torch.no_grad()
def reference_likelihoods(model: VLM, inputs: ModelInputs) -> Float[Tensor, "pair answer"]:
    """What a model that does not learn thinks of both answers of every pair."""
    return answer_likelihoods(model, inputs).log_p


def answer_likelihoods(
    model: VLM,
    inputs: ModelInputs,
    visual: Sequence[Float[Tensor, "_visual visual_dim"]] | None = None,
) -> PairLikelihoods:
    """log p(answer | prompt, pictures) of both answers of every sample, in the order of samples.

    Raises:
        TrainingError: a sample is no pair of answers.
    """
    inputs = inputs.to(model.device)
    rows, positions = labelled_positions(inputs)
    places = _places(inputs, rows, positions)
    sources = predecessors(inputs)[rows, positions]
    hidden, _ = model.read(inputs, visual=visual, wanted=(rows, sources))
    assert inputs.labels is not None
    losses = token_losses(hidden[0], inputs.labels[rows, positions], model.language.head)
    num_pairs = num_preferences(inputs)
    log_p = -losses.new_zeros(2 * num_pairs).index_add(0, places, losses)
    counts = places.bincount(minlength=2 * num_pairs)
    if not bool(counts.all()):
        raise TrainingError(_no_pair(int((counts == 0).nonzero()[0]) // 2))
    return PairLikelihoods(log_p.view(-1, 2), counts.view(-1, 2))


def num_preferences(inputs: ModelInputs) -> int:
    """Samples of a batch, each of which should be a pair."""
    if inputs.documents is None:
        return len(inputs.token_ids)
    return int((inputs.documents.amax(dim=1) + 1).sum())


def _places(
    inputs: ModelInputs, rows: Int[Tensor, " label"], positions: Int[Tensor, " label"]
) -> Int[Tensor, " label"]:
    """Of every label, twice the number of its sample, and 1 more in the rejected answer."""
    if inputs.documents is None:
        samples = rows
    else:
        counts = inputs.documents.amax(dim=1) + 1
        samples = (counts.cumsum(0) - counts)[rows] + inputs.documents[rows, positions]
    if inputs.branches is None:
        raise TrainingError(_no_pair(0))
    branches = inputs.branches[rows, positions]
    is_answer = (branches == CHOSEN) | (branches == REJECTED)
    if not bool(is_answer.all()):
        raise TrainingError(_no_pair(int(samples[~is_answer][0])))
    return 2 * samples + (branches - CHOSEN)


def _no_pair(sample: int) -> str:
    return (
        f"sample {sample} of the batch is no pair of answers; make it with "
        "encode_answers(prompt, [chosen, rejected])"
    )
