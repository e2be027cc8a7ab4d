"""From a prompt to an answer, always with a key-value cache.

    read the prompt once -> choose a token -> one step -> choose a token -> ... -> end token

Rows of a batch are padded on the left, so that all continue at the same cache position, and a row
answers the same alone or in a batch.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from triptych.fusion.vlm import VLM
from triptych.generate.beam import Hypothesis, beam_search
from triptych.generate.options import GenerationOptions
from triptych.generate.sampling import choose, row_generators
from triptych.generate.state import DecodingState
from triptych.generate.stopping import StopGate, cut_at_stop
from triptych.inputs import ModelInputs
from triptych.processor import Processor, Sample
from triptych.text import StreamDecoder


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer."""

    text: str
    token_ids: tuple[int, ...]
    """Chosen tokens, the end token included if it came."""
    log_probability: float
    """Sum over these tokens, under the model's own distribution (temperature 1)."""
    ended: bool
    """True when the model ended its answer (end token or stop text), False at the length limit."""
    num_prompt_tokens: int
    log_probabilities: tuple[float, ...] = ()
    """Of each of these tokens; empty after a beam search, which keeps sums only."""


@torch.inference_mode()
def generate(
    model: VLM, processor: Processor, samples: Sequence[Sample], options: GenerationOptions
) -> list[Completion]:
    """Answer every prompt of a batch."""
    inputs = processor.collate(samples, pad="left")
    if options.num_beams > 1:
        best = beam_search(model, inputs, options, processor.end_ids)
    else:
        best = _run_to_end(model, processor, inputs, options)
    return [
        _completion(processor, hypothesis, len(sample.token_ids), options.stop)
        for hypothesis, sample in zip(best, samples, strict=True)
    ]


def stream(
    model: VLM, processor: Processor, sample: Sample, options: GenerationOptions
) -> Generator[str, None, Completion]:
    """Answer one prompt piece by piece; the pieces together are `generate`'s text.

    What the generator returns at its end is the completion. Beam search has nothing to show before
    its end and yields once.
    """
    if options.num_beams > 1:
        [completion] = generate(model, processor, [sample], options)
        yield completion.text
        return completion
    inputs = processor.collate([sample], pad="left")
    decoder, gate = StreamDecoder(processor.tokenizer), StopGate(options.stop)
    tokens: list[int] = []
    scores: list[float] = []
    ended = False
    for chosen, log_probabilities in choices(model, inputs, options):
        tokens += cast(list[int], chosen.tolist())
        scores += cast(list[float], log_probabilities.tolist())
        if tokens[-1] in processor.end_ids:
            ended = True
            break
        yield gate.push(decoder.push(tokens[-1]))
        if gate.is_shut:
            break
    yield gate.push(decoder.flush()) + gate.flush()
    return Completion(
        text=gate.text,
        token_ids=tuple(tokens),
        log_probability=sum(scores),
        ended=ended or gate.is_shut,
        num_prompt_tokens=len(sample.token_ids),
        log_probabilities=tuple(scores),
    )


@torch.inference_mode()
def choices(
    model: VLM, inputs: ModelInputs, options: GenerationOptions
) -> Iterator[tuple[Int[Tensor, " batch"], Float[Tensor, " batch"]]]:
    """Each step's chosen token and its log-probability for every row, without regard to ends."""
    generators = row_generators(inputs.token_ids.shape[0], options.seed)
    state, logits = DecodingState.start(model, inputs, options.max_new_tokens)
    for index in range(options.max_new_tokens):
        chosen = choose(logits, options, generators)
        log_probabilities = logits.log_softmax(dim=-1).gather(1, chosen[:, None])[:, 0]
        yield chosen, log_probabilities
        if index + 1 < options.max_new_tokens:
            logits = state.step(chosen)


def _run_to_end(
    model: VLM, processor: Processor, inputs: ModelInputs, options: GenerationOptions
) -> list[Hypothesis]:
    num_rows = inputs.token_ids.shape[0]
    token_ids: list[list[int]] = [[] for _ in range(num_rows)]
    scores: list[list[float]] = [[] for _ in range(num_rows)]
    ended = [False] * num_rows
    for chosen, log_probabilities in choices(model, inputs, options):
        tokens = cast(list[int], chosen.tolist())
        values = cast(list[float], log_probabilities.tolist())
        for row, (token, log_probability) in enumerate(zip(tokens, values, strict=True)):
            if ended[row]:
                continue
            token_ids[row].append(token)
            scores[row].append(log_probability)
            ended[row] = token in processor.end_ids or _stops(processor, token_ids[row], options)
        if all(ended):
            break
    return [
        Hypothesis(tuple(ids), sum(each), done, tuple(each))
        for ids, each, done in zip(token_ids, scores, ended, strict=True)
    ]


def _stops(processor: Processor, token_ids: Sequence[int], options: GenerationOptions) -> bool:
    return bool(options.stop) and (
        cut_at_stop(processor.tokenizer.decode(token_ids), options.stop) is not None
    )


def _completion(
    processor: Processor, hypothesis: Hypothesis, num_prompt_tokens: int, stops: Sequence[str]
) -> Completion:
    text = processor.tokenizer.decode(
        [token for token in hypothesis.token_ids if token not in processor.end_ids]
    )
    cut = cut_at_stop(text, stops)
    return Completion(
        text=text if cut is None else cut,
        token_ids=hypothesis.token_ids,
        log_probability=hypothesis.log_probability,
        ended=hypothesis.ended or cut is not None,
        num_prompt_tokens=num_prompt_tokens,
        log_probabilities=hypothesis.log_probabilities,
    )
