"""The cross-entropy of many tokens over a large vocabulary, some rows of logits at a time.

    hidden     h h h h h h h h      label
    logits     [ l l l ]            label x vocab: only those of one chunk are ever there
    loss         x x x x x x x x
    gradients  of hidden and of the tables, chunk by chunk, while its logits are at hand

With 2,048 labels and 152,000 words all logits are 1.2 GB, and three times that while the gradient
is made. The loss of a step is one weighted sum, so the gradient of every logit is known as soon as
the logit is, and nothing has to be computed twice. For losses that are more than a sum,
`token_losses` computes the logits of a chunk again when the gradient is asked for.

Cut cross-entropy: https://arxiv.org/abs/2411.09009      Liger kernel: https://arxiv.org/abs/2410.10989
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torch.utils import checkpoint as checkpoints

from triptych.errors import TrainingError
from triptych.language import OutputTable

CHUNK_BYTES = 128 << 20
"""Most that the logits of one chunk take, in bytes."""

_RECOMPUTED = cast(
    Callable[..., Tensor],
    partial(checkpoints.checkpoint, use_reentrant=False, preserve_rng_state=False),
)

Hidden = Float[Tensor, "label dim"]
Targets = Int[Tensor, " label"]


def summed_loss(
    hidden: Hidden,
    targets: Targets,
    tables: Sequence[OutputTable],
    *,
    weights: Float[Tensor, " label"] | None = None,
    label_smoothing: float = 0.0,
    chunk_bytes: int = CHUNK_BYTES,
) -> tuple[Float[Tensor, ""], float]:
    """Sum of weighted, smoothed losses, and the plain sum of -log p(target), in nats.

    `tables` stand under each other: the vocabulary is theirs, one after the other. The gradients
    are made here, for the one use that a sum has; a second backward pass raises.
    """
    if weights is None:
        weights = hidden.new_ones(len(targets), dtype=torch.float32)
    flat = [part for table in tables for part in table]
    plan = _Plan(targets, weights, label_smoothing, chunk_bytes, torch.is_grad_enabled())
    total = cast(Tensor, _Summed.apply(hidden, plan, *flat))
    return total, plan.nll


def token_losses(
    hidden: Hidden,
    targets: Targets,
    head: Callable[[Float[Tensor, "1 label dim"]], Float[Tensor, "1 label vocab"]],
    *,
    label_smoothing: float = 0.0,
    chunk_rows: int = 256,
) -> Float[Tensor, " label"]:
    """The loss of every token by itself, in nats, through any head.

    The logits of a chunk are thrown away and made again when the gradient is asked for.
    """

    def losses(hidden: Tensor, targets: Tensor) -> Tensor:
        logits = _wide(head(hidden[None])[0])
        return functional.cross_entropy(
            logits, targets, reduction="none", label_smoothing=label_smoothing
        )

    chunks = zip(torch.split(hidden, chunk_rows), torch.split(targets, chunk_rows), strict=True)
    if len(targets) <= chunk_rows or not torch.is_grad_enabled():
        return torch.cat([losses(*chunk) for chunk in chunks])
    return torch.cat([_RECOMPUTED(losses, *chunk) for chunk in chunks])


@dataclass(slots=True)
class _Plan:
    """What a summed loss is made of besides tensors that learn, and what it came to."""

    targets: Targets
    weights: Float[Tensor, " label"]
    smoothing: float
    chunk_bytes: int
    learns: bool
    nll: float = 0.0
    gradients: list[Tensor | None] = field(default_factory=list[Tensor | None])


class _Summed(torch.autograd.Function):
    """`hidden`, then weight and bias of every table; gradients are made in the forward pass."""

    @staticmethod
    def forward(ctx: Any, hidden: Hidden, plan: _Plan, *flat: Tensor | None) -> Tensor:
        needed = ctx.needs_input_grad
        wants = [plan.learns and needed[index] for index in (0, *range(2, 2 + len(flat)))]
        ctx.plan = plan
        inputs = (hidden, *flat)
        plan.gradients = [
            torch.zeros_like(each) if each is not None and wanted else None
            for each, wanted in zip(inputs, wants, strict=True)
        ]
        return _accumulate(_for_products(hidden), [_for_products(each) for each in flat], plan)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        gradients = ctx.plan.gradients
        if not gradients:
            raise TrainingError(
                "the gradient of a summed loss was asked for twice; add up losses before calling "
                "backward, or use token_losses"
            )
        # Nobody else may hold them, or they would be copied.
        ctx.plan.gradients = []
        for each in gradients:
            if each is not None:
                each.mul_(upstream[0])
        return gradients[0], None, *gradients[1:]


def _accumulate(hidden: Hidden, flat: Sequence[Tensor | None], plan: _Plan) -> Float[Tensor, ""]:
    """The loss; gradients go into those of the plan, which are zero."""
    weights, biases = flat[::2], flat[1::2]
    vocab_size = sum(len(each) for each in weights if each is not None)
    num_rows = max(1, plan.chunk_bytes // (4 * vocab_size))
    total = torch.zeros((), dtype=_wide(hidden[:0]).dtype, device=hidden.device)
    nll = total.clone()
    for start in range(0, len(hidden), num_rows):
        rows = slice(start, start + num_rows)
        logits = _wide(_logits(hidden[rows], weights, biases))
        plain, smooth, own = _losses(logits, plan.targets[rows], plan.smoothing)
        counts = plan.weights[rows].to(total.dtype)
        total += (smooth * counts).sum()
        nll += plain.sum()
        if any(each is not None for each in plan.gradients):
            own *= counts[:, None]
            _spread(own.to(hidden.dtype), hidden[rows], rows, weights, plan.gradients)
    plan.nll = float(nll)
    return total


def _losses(
    logits: Float[Tensor, "label vocab"], targets: Targets, smoothing: float
) -> tuple[Float[Tensor, " label"], Float[Tensor, " label"], Float[Tensor, "label vocab"]]:
    """-log p(target), the same smoothed, and the gradient of the latter, which takes the room of
    the logits."""
    chosen = logits.gather(1, targets[:, None])[:, 0]
    mean = logits.mean(dim=1) if smoothing else chosen
    highest = logits.amax(dim=1)
    weights = logits.sub_(highest[:, None]).exp_()
    sums = weights.sum(dim=1)
    log_sum = highest + sums.log()
    plain = log_sum - chosen
    smooth = (1 - smoothing) * plain + smoothing * (log_sum - mean) if smoothing else plain
    gradient = weights.div_(sums[:, None])
    if smoothing:
        gradient -= smoothing / logits.shape[1]
    gradient.scatter_add_(1, targets[:, None], torch.full_like(chosen, smoothing - 1)[:, None])
    return plain, smooth, gradient


def _logits(
    hidden: Hidden, weights: Sequence[Tensor | None], biases: Sequence[Tensor | None]
) -> Float[Tensor, "label vocab"]:
    parts = [
        functional.linear(hidden, weight, bias)
        for weight, bias in zip(weights, biases, strict=True)
        if weight is not None
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _spread(
    own: Float[Tensor, "label vocab"],
    hidden: Hidden,
    rows: slice,
    weights: Sequence[Tensor | None],
    gradients: Sequence[Tensor | None],
) -> None:
    """Add what a chunk asks of its rows of the hidden states, of tables and biases."""
    of_hidden, *of_tables = gradients
    first = 0
    for index, weight in enumerate(weights):
        assert weight is not None
        part = own[:, first : first + len(weight)]
        first += len(weight)
        if of_hidden is not None:
            _add_product(of_hidden[rows], part, weight)
        of_weight, of_bias = of_tables[2 * index : 2 * index + 2]
        if of_weight is not None:
            _add_product(of_weight, part.T, hidden)
        if of_bias is not None:
            of_bias += part.sum(dim=0)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, where they are of one kind without room for the product."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _for_products(tensor: Any) -> Any:
    """As autocast would multiply it, cast once and not once a chunk."""
    if tensor is None:
        return None
    device = tensor.device.type
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return tensor
    return tensor.to(torch.get_autocast_dtype(device))


def _wide(logits: Tensor) -> Tensor:
    """In float32 at least: a softmax over a vocabulary needs it."""
    return logits if logits.dtype == torch.float64 else logits.float()
