"""Language modelling on answers: the negative log-likelihood of every labelled token.

Logits are computed only where a label is to be predicted. With a prompt of 49 visual tokens and a
caption of 12 words that is a fifth of the positions, and the vocabulary is the widest layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from triptych.fusion.vlm import VLM
from triptych.inputs import IGNORED, PREFIX_BRANCH, ModelInputs


@dataclass(frozen=True, slots=True)
class Loss:
    """A summed loss with the count that normalises it, so that batches can be added up."""

    total: Float[Tensor, ""]
    """Sum over supervised tokens, in nats, each weighted; the value that is differentiated."""

    nll: float
    """The same sum without weights and label smoothing."""

    num_tokens: int
    """Supervised tokens."""


def language_modelling(
    model: VLM,
    inputs: ModelInputs,
    label_smoothing: float = 0.0,
    visual: Sequence[Float[Tensor, "_visual visual_dim"]] | None = None,
) -> Loss:
    """Sum of -log p(token | everything before it in its branch, pictures) over labelled tokens.

    `visual` is what `VLM.encode` made of the pictures, where that is known already.
    """
    inputs = inputs.to(model.device)
    rows, positions = labelled_positions(inputs)
    sources = predecessors(inputs)[rows, positions]
    hidden, _ = model.read(inputs, visual=visual)
    logits = model.language.head(hidden[rows, sources][None])[0].float()
    # Labels, not inputs: a sample may hide a token from the model and still ask for it.
    targets = (inputs.token_ids if inputs.labels is None else inputs.labels)[rows, positions]
    each = functional.cross_entropy(
        logits, targets, reduction="none", label_smoothing=label_smoothing
    )
    total = each.sum() if inputs.weights is None else each @ inputs.weights[rows, positions]
    with torch.no_grad():
        nll = (
            each.sum()
            if label_smoothing == 0
            else functional.cross_entropy(logits, targets, reduction="sum")
        )
    return Loss(total, float(nll), len(targets))


def labelled_positions(inputs: ModelInputs) -> tuple[Int[Tensor, " label"], Int[Tensor, " label"]]:
    """Row and position of every supervised token."""
    if inputs.labels is None:
        empty = torch.zeros(0, dtype=torch.long)
        return empty, empty
    rows, positions = (inputs.labels != IGNORED).nonzero(as_tuple=True)
    return rows, positions


def predecessors(inputs: ModelInputs) -> Int[Tensor, "batch token"]:
    """The position each token is predicted from: the one before it in its own branch.

    branches   0 0 0 1 1 2 2 2          (two answers to one prompt)
    position   0 1 2 3 4 5 6 7
    predicted  - 0 1 2 3 2 5 6          the first token of both answers comes from the prompt
    """
    num_tokens = inputs.token_ids.shape[1]
    previous = torch.arange(-1, num_tokens - 1, device=inputs.token_ids.device)
    previous = previous.clamp(min=0).expand(inputs.token_ids.shape)
    if inputs.branches is None:
        return previous
    prefix = inputs.branches == PREFIX_BRANCH
    last_prefix = prefix.int().cumsum(dim=1).argmax(dim=1, keepdim=True)
    before = torch.roll(inputs.branches, 1, dims=1)
    starts = (inputs.branches != before) & ~prefix
    return torch.where(starts, last_prefix, previous)
