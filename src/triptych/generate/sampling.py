"""Choose the next token of every row.

    logits - contrast -> repetition penalty -> what a structure allows
           -> temperature -> top-k -> top-p -> min-p -> draw

The order is that of transformers, so equal options keep equal tokens. How likely a token was is
told of the model's own distribution, before any of this and at temperature 1.
"""

from collections.abc import Collection, Sequence
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from triptych.errors import TokenError
from triptych.generate.contrast import contrast_logits
from triptych.generate.options import GenerationOptions

Alternatives = tuple[tuple[int, float], ...]
"""The likeliest tokens of a step with their log-probabilities, likeliest first."""


_USUALLY_ENOUGH = 1024
"""Likeliest tokens that mostly reach the probability of top-p, so that not all need sorting."""


def row_generators(num_rows: int, seed: int) -> list[Generator]:
    """One generator a row, all seeded alike, so that a row draws the same alone or in a batch."""
    return [Generator().manual_seed(seed) for _ in range(num_rows)]


def is_plain(options: GenerationOptions) -> bool:
    """Whether a row is simply continued by its likeliest token; see `likeliest`.

    False also where a contrast would need the logits of a second forward. What a structure allows
    is not an option and not asked here.
    """
    return options.temperature == 0 and options.repetition_penalty == 1 and options.contrast is None


def likeliest(logits: Float[Tensor, "*batch vocab"]) -> Int[Tensor, "*batch"]:
    """The greedy choice of many rows at once: what `pick` says of each where it is plain."""
    return logits.argmax(dim=-1)


def pick(
    logits: Float[Tensor, " vocab"],
    options: GenerationOptions,
    generator: Generator,
    previous: Collection[int] = (),
    allowed: Bool[Tensor, " vocab"] | None = None,
    without: Float[Tensor, " vocab"] | None = None,
) -> int:
    """The next token of one row: the likeliest, or one drawn from the kept distribution.

    Args:
        logits: What the model says.
        options: How to choose.
        generator: Draws; used once where the temperature is above 0, and not at all otherwise.
        previous: Tokens of prompt and answer, for the repetition penalty; a set will do. Slots of
            pictures do not belong to them.
        allowed: False on tokens that a structure forbids; at least one is True.
        without: What the model says without seeing the pictures; None leaves the contrast out.

    Raises:
        TokenError: `allowed` holds no token.
    """
    logits = logits.float()
    if allowed is not None:
        # First, so that the bounds on plausibility and likelihood leave something that is allowed.
        logits = keep_allowed(logits, allowed)
    if options.contrast is not None and without is not None:
        logits = contrast_logits(logits, without, options.contrast)
    logits = penalise(logits, options.repetition_penalty, previous)
    if options.temperature == 0:
        return int(logits.argmax())
    return draw(kept_probabilities(logits, options), generator)


def choose(
    logits: Float[Tensor, "batch vocab"],
    options: GenerationOptions,
    generators: Sequence[Generator],
) -> Int[Tensor, " batch"]:
    """The next token of every row of a batch that shares its options and remembers no tokens."""
    if options.temperature == 0:
        return likeliest(logits)
    kept = kept_probabilities(logits.float(), options)
    drawn = [draw(row, generator) for row, generator in zip(kept, generators, strict=True)]
    return torch.tensor(drawn, device=logits.device)


def draw(probabilities: Float[Tensor, " vocab"], generator: Generator) -> int:
    """One token, as often as it is likely; takes one number from the generator.

    The number is a place on a line on which every token has its probability as length. With
    150,000 tokens that is ten times as fast as `torch.multinomial`, which draws a number for each.
    """
    ends = probabilities.cpu().double().cumsum(dim=-1)
    place = torch.rand(1, generator=generator, dtype=torch.float64) * ends[-1]
    return int(torch.searchsorted(ends, place, right=True))


def log_probability(
    logits: Float[Tensor, "*batch vocab"], token_ids: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Of each token under the model's own distribution (temperature 1)."""
    logits = logits.float()
    chosen = logits.gather(-1, token_ids[..., None].to(logits.device))[..., 0]
    return chosen - logits.logsumexp(dim=-1)


def alternatives(logits: Float[Tensor, " vocab"], num_alternatives: int) -> Alternatives:
    """The likeliest tokens under the model's own distribution (temperature 1), likeliest first."""
    if num_alternatives == 0:
        return ()
    logits = logits.float()
    best = logits.topk(min(num_alternatives, len(logits)))
    values = cast(list[float], (best.values - logits.logsumexp(dim=-1)).tolist())
    return tuple(zip(cast(list[int], best.indices.tolist()), values, strict=True))


def kept_probabilities(
    logits: Float[Tensor, "*batch vocab"], options: GenerationOptions
) -> Float[Tensor, "*batch vocab"]:
    """What is drawn from: 0 on tokens that top-k, top-p and min-p leave out, else above."""
    kept = keep_top_k(logits / options.temperature, options.top_k)
    return keep_min_p(keep_top_p(kept, options.top_p), options.min_p).softmax(dim=-1)


def keep_allowed(
    logits: Float[Tensor, " vocab"], allowed: Bool[Tensor, " vocab"]
) -> Float[Tensor, " vocab"]:
    """Logits with all that a structure forbids at -inf.

    Raises:
        TokenError: it forbids everything.
    """
    if not allowed.any():
        raise TokenError("the structure allows no token here; loosen it")
    return logits.masked_fill(~allowed.to(logits.device), -torch.inf)


def penalise(
    logits: Float[Tensor, " vocab"], penalty: float, previous: Collection[int]
) -> Float[Tensor, " vocab"]:
    """Logits of earlier tokens divided by the penalty, or multiplied where they are negative.

    How often and when a token came makes no difference; ids the model cannot say are passed over.
    CTRL: https://arxiv.org/abs/1909.05858 (section 4.1)
    """
    if penalty == 1 or not previous:
        return logits
    told = [token for token in set(previous) if token < len(logits)]
    index = torch.tensor(told, dtype=torch.long, device=logits.device)
    old = logits[index]
    return logits.index_copy(0, index, torch.where(old < 0, old * penalty, old / penalty))


def keep_top_k(logits: Float[Tensor, "*batch vocab"], top_k: int) -> Float[Tensor, "*batch vocab"]:
    """Logits with all but the k largest at -inf; 0 keeps all."""
    if top_k == 0 or top_k >= logits.shape[-1]:
        return logits
    smallest_kept = logits.topk(top_k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < smallest_kept, -torch.inf)


def keep_top_p(
    logits: Float[Tensor, "*batch vocab"], top_p: float
) -> Float[Tensor, "*batch vocab"]:
    """Logits with the tail beyond cumulative probability p at -inf; the likeliest always stays."""
    if top_p >= 1:
        return logits
    probabilities, vocab_size = logits.softmax(dim=-1), logits.shape[-1]
    ordered, order = probabilities.topk(min(_USUALLY_ENOUGH, vocab_size))
    if (ordered.sum(dim=-1) < top_p).any():
        ordered, order = probabilities.sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered
    kept = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, before < top_p)
    return logits.masked_fill(~kept, -torch.inf)


def keep_min_p(
    logits: Float[Tensor, "*batch vocab"], min_p: float
) -> Float[Tensor, "*batch vocab"]:
    """Logits with tokens less likely than this fraction of the likeliest at -inf; 0 keeps all.

    Min-p sampling: https://arxiv.org/abs/2407.01082
    """
    if min_p == 0:
        return logits
    probabilities = logits.softmax(dim=-1)
    return logits.masked_fill(
        probabilities < min_p * probabilities.amax(dim=-1, keepdim=True), -torch.inf
    )
