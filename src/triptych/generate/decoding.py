"""From prompts to answers.

    read the prompt once -> choose a token -> one step -> choose a token -> ... -> end token

The engine does the work; these are the two ways most callers want it: a batch of prompts answered,
and one answered piece by piece.
"""

from collections.abc import Generator, Sequence

import torch

from triptych.fusion.vlm import VLM
from triptych.generate.beam import Hypothesis, beam_search
from triptych.generate.completion import Completion
from triptych.generate.engine import EngineConfig, GenerationEngine
from triptych.generate.options import GenerationOptions
from triptych.generate.stopping import cut_at_stop
from triptych.processor import Processor, Sample


@torch.inference_mode()
def generate(
    model: VLM,
    processor: Processor,
    samples: Sequence[Sample],
    options: GenerationOptions,
    engine: GenerationEngine | None = None,
) -> list[Completion]:
    """Answer every prompt of a batch.

    An engine that is given remembers pictures and beginnings from one call to the next.

    Raises:
        CapacityError: a prompt does not fit into memory.
    """
    if options.num_beams > 1:
        inputs = processor.collate(samples, pad="left")
        best = beam_search(model, inputs, options, processor.end_ids)
        return [
            _completion(processor, hypothesis, len(sample.token_ids), options.stop)
            for hypothesis, sample in zip(best, samples, strict=True)
        ]
    if engine is None:
        config = EngineConfig(max_running=max(1, len(samples)), remembers=False)
        engine = GenerationEngine(model, processor, config)
    return engine.finish([engine.submit(sample, options) for sample in samples])


def stream(
    model: VLM,
    processor: Processor,
    sample: Sample,
    options: GenerationOptions,
    engine: GenerationEngine | None = None,
) -> Generator[str, None, Completion]:
    """Answer one prompt piece by piece; the pieces together are `generate`'s text.

    What the generator returns at its end is the completion. Beam search has nothing to show before
    its end and yields once.
    """
    if options.num_beams > 1:
        [completion] = generate(model, processor, [sample], options)
        yield completion.text
        return completion
    if engine is None:
        engine = GenerationEngine(model, processor, EngineConfig(remembers=False))
    return (yield from engine.stream(engine.submit(sample, options)))


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
