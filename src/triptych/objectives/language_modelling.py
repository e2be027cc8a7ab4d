"""Language modelling on answers: the negative log-likelihood of every labelled token.

Logits are computed only where a label is to be predicted. With a prompt of 49 visual tokens and a
caption of 12 words that is a fifth of the positions, and the vocabulary is the widest layer. Even
those are never all there at once; see `triptych.objectives.cross_entropy`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from triptych.fusion.vlm import VLM
from triptych.inputs import IGNORED, PREFIX_BRANCH, ModelInputs
from triptych.objectives.cross_entropy import summed_loss, token_losses


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
    hidden, _ = model.read(inputs, visual=visual, wanted=(rows, sources))
    # Labels, not inputs: a sample may hide a token from the model and still ask for it.
    targets = (inputs.token_ids if inputs.labels is None else inputs.labels)[rows, positions]
    weights = None if inputs.weights is None else inputs.weights[rows, positions]
    total, nll = _sums(model, hidden[0], targets, weights, label_smoothing)
    return Loss(total, nll, len(targets))


def _sums(
    model: VLM,
    hidden: Float[Tensor, "label dim"],
    targets: Int[Tensor, " label"],
    weights: Float[Tensor, " label"] | None,
    label_smoothing: float,
) -> tuple[Float[Tensor, ""], float]:
    tables = model.language.output_tables()
    if tables is not None:
        return summed_loss(
            hidden, targets, tables, weights=weights, label_smoothing=label_smoothing
        )
    head = model.language.head
    each = token_losses(hidden, targets, head, label_smoothing=label_smoothing)
    total = each.sum() if weights is None else (each * weights).sum()
    if label_smoothing == 0:
        return total, float(each.detach().sum())
    with torch.no_grad():
        return total, float(token_losses(hidden, targets, head).sum())


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

    The first token of a row, and of each document in it, is predicted from nothing and gets its
    own position.
    """
    positions = torch.arange(inputs.token_ids.shape[1], device=inputs.token_ids.device)
    positions = positions.expand(inputs.token_ids.shape)
    previous = (positions - 1).clamp(min=0)
    if inputs.branches is not None:
        prefix = inputs.branches == PREFIX_BRANCH
        # Every document begins with its prefix, so the latest prefix is its own.
        last_prefix = torch.where(prefix, positions, 0).cummax(dim=1).values
        starts = _differs(inputs.branches) & ~prefix
        previous = torch.where(starts, last_prefix, previous)
    if inputs.documents is not None:
        previous = torch.where(_differs(inputs.documents), positions, previous)
    return previous


def _differs(ids: Int[Tensor, "batch token"]) -> Bool[Tensor, "batch token"]:
    """Whether an id is another than the one before it; the first of a row has none before it."""
    return functional.pad(ids.diff(dim=1) != 0, (1, 0), value=True)
