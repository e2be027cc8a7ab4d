"""Whether memory stays flat over ten thousand requests.

python benchmarks/steady.py --keep
python benchmarks/steady.py --requests 1000 --warmth 200

`mini` answers, through the public engine, a mixture of text alone, one picture and several, short
and long answers, alone and together, greedily and drawn, some of them cancelled. Pictures are drawn
anew all the time, so that what the engine keeps must make room for new ones; its memory is bounded
so low that it is full long before the measuring begins. Resident memory is read every 500 requests
behind a collection of garbage, and a straight line is fitted to it.

Requests for warmth fill that memory, and let PyTorch and oneDNN meet the numbers of rows for which
they keep kernels (`triptych.nn.linear`).
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from recording import add_options, record, table

import triptych
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions
from triptych.measure.memory import resident_bytes
from triptych.processor import ask_about

BAR = 1.0
"""MB a thousand requests may add at most."""

QUESTIONS = (
    "What is in the picture?",
    "What colour is the circle?",
    "How many shapes are there?",
    "Is the star above the hexagon?",
    "Describe everything that can be seen, from left to right and from top to bottom.",
)


def main() -> None:
    """Ask, watch the memory, fit a line."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    assistant = triptych.load("mini")
    config = EngineConfig(memory_bytes=arguments.memory_mb * 10**6)
    engine = GenerationEngine(assistant.model, assistant.processor, config)
    start = time.perf_counter()
    seen = list(watch(engine, arguments))
    slope, level = fit(seen)
    seconds = time.perf_counter() - start
    verdict = "flat" if slope < BAR else "not flat"
    rows = [[f"{done:,}", f"{megabytes:,.1f}"] for done, megabytes in seen]
    text = "\n\n".join(
        [
            table(["requests", "resident MB"], rows),
            f"{slope:+.3f} MB a thousand requests over {seen[-1][0] - seen[0][0]:,} of them, "
            f"from {level:,.0f} MB; the bar is {BAR:g}: {verdict}. {seconds:,.0f} s.",
        ]
    )
    figures: dict[str, Any] = {
        "slope_mb_per_1000": slope,
        "bar_mb_per_1000": BAR,
        "is_flat": slope < BAR,
        "seconds": seconds,
        "resident_mb": seen,
        "engine_memory_mb": arguments.memory_mb,
        "threads": torch.get_num_threads(),
    }
    record(arguments, "memory over many requests", figures, text)
    if slope >= BAR:
        sys.exit(1)


def watch(engine: GenerationEngine, arguments: argparse.Namespace) -> Iterator[tuple[int, float]]:
    """Requests answered so far, and resident MB, every so many of them."""
    chance = random.Random(arguments.seed)
    done, due = 0, arguments.warmth
    while done < arguments.warmth + arguments.requests:
        done += answer_some(engine, chance)
        if done >= due:
            gc.collect()
            megabytes = resident_bytes() / 1e6
            print(f"{done:,} requests: {megabytes:,.1f} MB", file=sys.stderr)
            yield done, megabytes
            due += arguments.every


def answer_some(engine: GenerationEngine, chance: random.Random) -> int:
    """Answer one to eight requests together; some are given up half way. How many there were."""
    count = chance.choice((1, 1, 2, 4, 8))
    shared = _picture(chance)
    requests = [
        engine.submit(_sample(engine, chance, shared), _options(chance)) for _ in range(count)
    ]
    if chance.random() < 0.1:
        for _ in range(3):
            engine.step()
        engine.cancel(requests.pop())
    engine.finish(requests)
    return count


def _sample(engine: GenerationEngine, chance: random.Random, shared: np.ndarray) -> Any:
    """A question about no picture, about one that others are asked about too, or about new ones."""
    kind = chance.choice(("text", "shared", "one", "one", "several"))
    pictures: Sequence[np.ndarray] = {
        "text": [],
        "shared": [shared],
        "one": [_picture(chance)],
        "several": [_picture(chance) for _ in range(3)],
    }[kind]
    messages = ask_about(pictures, chance.choice(QUESTIONS))
    return engine.processor.encode(messages, add_generation_prompt=True)


def _options(chance: random.Random) -> GenerationOptions:
    return GenerationOptions(
        max_new_tokens=chance.choice((1, 4, 8, 16)),
        temperature=chance.choice((0.0, 0.0, 1.0)),
        seed=chance.randrange(10**6),
    )


def _picture(chance: random.Random) -> np.ndarray:
    """A picture of noise that is like no other, in one of some sizes."""
    height, width = (chance.choice((56, 112, 140, 168)) for _ in range(2))
    generator = np.random.default_rng(chance.randrange(2**32))
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def fit(seen: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Slope in MB a thousand requests and level at the first, of the straight line through all."""
    if len(seen) < 2:
        return 0.0, seen[0][1]
    thousands = np.array([done for done, _ in seen]) / 1000
    megabytes = np.array([each for _, each in seen])
    slope, _ = np.polyfit(thousands, megabytes, 1)
    return float(slope), float(megabytes.mean() - slope * (thousands.mean() - thousands[0]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000, help="behind those for warmth")
    parser.add_argument("--warmth", type=int, default=1000)
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--memory-mb", type=int, default=64, help="what the engine may keep")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
