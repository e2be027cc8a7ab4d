"""Triptych as one of two engines that `peers` compares."""

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
from serving import Answer, Clock, serve

import triptych
from triptych.generate import Completion, GenerationOptions, stream
from triptych.processor import ask_about


def load(settings: Mapping[str, Any]) -> tuple[str, Answer]:
    """Load a folder with the native engine."""
    torch.set_num_threads(settings["threads"])
    chosen = {key: settings[key] for key in ("dtype", "quantize") if key in settings}
    assistant = triptych.load(settings["folder"], **chosen)
    model, processor = assistant.model, assistant.processor

    def answer(request: Mapping[str, Any], picture: np.ndarray) -> dict[str, Any]:
        options = GenerationOptions(max_new_tokens=request["new_tokens"])
        clock = Clock()
        messages = ask_about([picture], request["question"])
        sample = processor.encode(messages, add_generation_prompt=True)
        completion = _timed(stream(model, processor, sample, options), clock, options)
        visual = sum(token == processor.image_id for token in sample.token_ids)
        return {
            **clock.seconds(),
            "prompt_tokens": completion.num_prompt_tokens,
            "visual_tokens": visual,
            "answer": list(completion.token_ids),
        }

    return "Triptych", answer


def _timed(
    pieces: Generator[str, None, Completion], clock: Clock, options: GenerationOptions
) -> Completion:
    """Run a stream to its end; it yields a piece a token, then one more."""
    for _ in range(options.max_new_tokens):
        next(pieces)
        clock.tick()
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    serve(load)
