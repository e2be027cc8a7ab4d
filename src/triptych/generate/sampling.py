"""Choose the next token of every row."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from triptych.generate.options import GenerationOptions


def row_generators(num_rows: int, seed: int) -> list[Generator]:
    """One generator a row, all seeded alike, so that a row draws the same alone or in a batch."""
    return [Generator().manual_seed(seed) for _ in range(num_rows)]


def choose(
    logits: Float[Tensor, "batch vocab"],
    options: GenerationOptions,
    generators: Sequence[Generator],
) -> Int[Tensor, " batch"]:
    """The next token of every row: the likeliest, or one drawn from the kept distribution."""
    if options.temperature == 0:
        return logits.argmax(dim=-1)
    kept = keep_top_p(keep_top_k(logits / options.temperature, options.top_k), options.top_p)
    probabilities = kept.softmax(dim=-1).cpu()
    drawn = [
        torch.multinomial(row, 1, generator=generator)
        for row, generator in zip(probabilities, generators, strict=True)
    ]
    return torch.cat(drawn).to(logits.device)


def keep_top_k(logits: Float[Tensor, "batch vocab"], top_k: int) -> Float[Tensor, "batch vocab"]:
    """Logits with all but the k largest at -inf; 0 keeps all."""
    if top_k == 0 or top_k >= logits.shape[-1]:
        return logits
    smallest_kept = logits.topk(top_k, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < smallest_kept, -torch.inf)


def keep_top_p(logits: Float[Tensor, "batch vocab"], top_p: float) -> Float[Tensor, "batch vocab"]:
    """Logits with the tail beyond cumulative probability p at -inf; the likeliest always stays."""
    if top_p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    dropped = torch.zeros_like(before, dtype=torch.bool).scatter(-1, order, before >= top_p)
    return logits.masked_fill(dropped, -torch.inf)
