"""Questions and pictures of benchmarks, and how theirs answers one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from against_transformers import Streamer, Ticks, Turn
from torch import Tensor

from gpu.stage import Stage
from triptych.processor import Processor, ask_about
from triptych.sequences import Sample


def their_turn(stage: Stage, model: Any, given: dict[str, Tensor], count: int) -> Turn:
    ticks = Ticks()
    ticks.tick()
    with torch.inference_mode():
        answer = model.generate(
            **stage.moved(model, given),
            max_new_tokens=count,
            do_sample=False,
            pad_token_id=0,
            streamer=Streamer(ticks),
        )
    return Turn(ticks, tuple(answer[0, given["input_ids"].shape[1] :].tolist()))


def num_equal(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = zip(first, second, strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), len(first))


def answered(processor: Processor, count: int, side: int) -> list[Sample]:
    """Questions with answers of different lengths."""
    return [
        processor.encode(
            [
                *ask_about([picture(side, 100 + n)], "what is in the picture?"),
                {"role": "assistant", "content": "a red circle above a blue square " * (1 + n % 3)},
            ]
        )
        for n in range(count)
    ]


def picture(side: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
