"""Beam search: keep the k likeliest beginnings instead of one.

Finished hypotheses are compared by log-probability / length ** length_penalty, because a longer
answer is less likely for its length alone. A row is done when it has k finished hypotheses.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from triptych.fusion.vlm import VLM
from triptych.generate.options import GenerationOptions
from triptych.generate.state import DecodingState, repeat_rows
from triptych.inputs import ModelInputs


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Chosen tokens with their summed log-probability."""

    token_ids: tuple[int, ...]
    log_probability: float
    ended: bool
    log_probabilities: tuple[float, ...] = ()
    """Of each token, where no beams were searched."""

    def score(self, length_penalty: float) -> float:
        """Log-probability normalised by length."""
        return self.log_probability / max(len(self.token_ids), 1) ** length_penalty


@dataclass(slots=True)
class _Row:
    """One prompt's search."""

    num_beams: int
    beams: list[Hypothesis] = field(default_factory=list[Hypothesis])
    finished: list[Hypothesis] = field(default_factory=list[Hypothesis])

    @property
    def is_done(self) -> bool:
        return len(self.finished) >= self.num_beams

    def advance(
        self, candidates: Sequence[tuple[int, int, float]], end_ids: Sequence[int]
    ) -> list[int]:
        """Take the best continuations (beam, token, log-probability), best first.

        Returns the beam each new beam continues.
        """
        old, self.beams = self.beams, []
        parents: list[int] = []
        # A row that is done grows on beside the others, but its answer stands.
        was_done = self.is_done
        for rank, (beam, token, log_probability) in enumerate(candidates):
            is_possible = log_probability > -math.inf
            ended = token in end_ids
            grown = Hypothesis((*old[beam].token_ids, token), log_probability, ended)
            if not ended:
                self.beams.append(grown)
                parents.append(beam)
            elif rank < self.num_beams and is_possible and not was_done:
                self.finished.append(grown)
            if len(self.beams) == self.num_beams:
                break
        return parents

    def best(self, length_penalty: float) -> Hypothesis:
        """The best finished hypothesis; an unfinished one only if none has ended."""
        return max(self.finished or self.beams, key=lambda each: each.score(length_penalty))


def beam_search(
    model: VLM, inputs: ModelInputs, options: GenerationOptions, end_ids: Sequence[int]
) -> list[Hypothesis]:
    """The best hypothesis of every row."""
    num_rows, num_beams = inputs.token_ids.shape[0], options.num_beams
    state, logits = DecodingState.start(model, inputs, options.max_new_tokens)
    state.select(repeat_rows(num_rows, num_beams))
    logits = logits.repeat_interleave(num_beams, dim=0)
    rows = [_Row(num_beams, [Hypothesis((), 0.0, False)] * num_beams) for _ in range(num_rows)]
    # All beams of a row start equal; only the first may be continued, or they would stay equal.
    scores = torch.full((num_rows, num_beams), -torch.inf)
    scores[:, 0] = 0.0
    for index in range(options.max_new_tokens):
        parents = _advance(rows, scores, logits, len(end_ids), end_ids)
        if all(row.is_done for row in rows) or index + 1 == options.max_new_tokens:
            break
        scores = torch.tensor([[beam.log_probability for beam in row.beams] for row in rows])
        tokens = [beam.token_ids[-1] for row in rows for beam in row.beams]
        state.select(torch.tensor(parents))
        logits = state.step(torch.tensor(tokens))
    return [row.best(options.length_penalty) for row in rows]


def _advance(
    rows: Sequence[_Row],
    scores: Tensor,
    logits: Tensor,
    num_ends: int,
    end_ids: Sequence[int],
) -> list[int]:
    """Grow every row's beams; returns, for all new beams, the batch row each continues."""
    num_rows, num_beams = scores.shape
    vocab_size = logits.shape[-1]
    logits = logits.float().cpu()
    log_probabilities = logits.log_softmax(dim=-1).view(num_rows, num_beams, vocab_size)
    totals = (scores[:, :, None] + log_probabilities).flatten(1)
    # Enough candidates that `num_beams` remain when every end token is among the best.
    best = totals.topk(min(num_beams * (1 + num_ends), totals.shape[1]), dim=1)
    parents: list[int] = []
    for index, row in enumerate(rows):
        flat = cast(list[int], best.indices[index].tolist())
        values = cast(list[float], best.values[index].tolist())
        candidates = [
            (position // vocab_size, position % vocab_size, value)
            for position, value in zip(flat, values, strict=True)
        ]
        parents += [index * num_beams + beam for beam in row.advance(candidates, end_ids)]
    return parents
