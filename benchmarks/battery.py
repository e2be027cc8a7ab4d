"""Many questions about one picture, and many pictures at once: what sharing and company are worth.

python benchmarks/battery.py --shape mini --keep
python benchmarks/battery.py --shape 2b --precision int8 --threads 2 --keep

battery   20 questions of about 15 tokens about one 448 x 448 picture, 8 tokens of answer each: all
          at once by the engine, beside transformers' `generate` in a loop, which encodes and reads
          the picture again for each (20 times the median of one)
company   8 requests about 8 pictures, all at once beside one after the other, both by the engine

Both engines have the same random weights in the same memory, the same token ids and pixels, and
answer greedily; in float32 the answers must be equal. int8 is ours beside transformers' float32.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from statistics import median
from typing import Any

import numpy as np
import torch
from recording import add_options, record, table
from torch import Tensor
from twins import SHAPES, Task, given_to_them, make_task, our_model, shaped, their_model

from triptych.fusion.vlm import VLM
from triptych.generate import EngineConfig, GenerationEngine, GenerationOptions
from triptych.processor import Processor, ask_about
from triptych.sequences import Sample

WORDS = ("red", "blue", "green", "circle", "square", "star", "left", "above", "how", "many", "is")
NUM_QUESTIONS = 20
NUM_WORDS = 15
NUM_ANSWER = 8
NUM_COMPANY = 8
SIDES = {"2b": (448, 224), "mini": (448, 224), "debug": (96, 48)}
"""Of the picture that is asked about often, and of those of company."""


def main() -> int:
    """Measure, print, and say whether answers were equal where they must be."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    architecture = shaped(arguments.shape, arguments.blocks)
    quantize = "" if arguments.precision == "float32" else arguments.precision
    large, small = SIDES[arguments.shape]
    task = make_task(architecture, large, 1, 0)
    theirs = their_model(architecture, task, 0)
    ours = our_model(architecture, theirs, quantize)
    task.processor.end_ids = ()
    figures: dict[str, Any] = {"shape": arguments.shape, "precision": arguments.precision}
    questions = _questions(task.processor, _picture(large, 0))
    battery, are_equal = _battery(ours, theirs, task, questions, arguments, figures)
    apart = [
        task.processor.encode(
            ask_about([_picture(small, 1 + n)], "red"), add_generation_prompt=True
        )
        for n in range(NUM_COMPANY)
    ]
    company, are_same = _company(ours, task.processor, apart, arguments, figures)
    text = table(("what", "at once", "in turn", "ratio", "answers"), [*battery, *company])
    name = f"many at once, {arguments.shape}, {arguments.precision}, {arguments.threads} threads"
    record(arguments, name, figures, text)
    return 0 if are_same and (are_equal or quantize) else 1


def _battery(
    ours: VLM,
    theirs: Any,
    task: Task,
    samples: Sequence[Sample],
    arguments: argparse.Namespace,
    figures: dict[str, Any],
) -> tuple[list[Sequence[str]], bool]:
    """All questions at once, and each in turn by transformers.

    The turns are spread over the rounds, so that both engines meet the machine in equal moods and a
    round of a large model does not last for ever; there is as much to do for each question, so the
    first `--sampled` of them tell what all take.
    """
    sampled = samples[: arguments.sampled]
    given = [given_to_them(Task(task.processor, sample)) for sample in sampled]
    mine, their_times, their_answers = list[float](), list[float](), list[list[int]]()
    _answers(ours, task.processor, samples[:2], 2, NUM_ANSWER)
    _their_answer(theirs, given[0])
    for index in range(arguments.repeats):
        start = time.perf_counter()
        answers = _answers(ours, task.processor, samples, len(samples), NUM_ANSWER)
        mine.append(time.perf_counter() - start)
        for each in given[index :: arguments.repeats]:
            start = time.perf_counter()
            their_answers.append(_their_answer(theirs, each))
            their_times.append(time.perf_counter() - start)
        print(f"round {index + 1} of {arguments.repeats}", file=sys.stderr)
    order = [i for r in range(arguments.repeats) for i in range(r, len(given), arguments.repeats)]
    num_equal = sum(answers[i] == told for i, told in zip(order, their_answers, strict=True))
    scaled = [each * len(samples) for each in their_times]
    figures["battery"] = {"ours_s": mine, "transformers_each_s": their_times, "equal": num_equal}
    row = _row(f"{len(samples)} questions, one picture; transformers in turn", (mine, scaled))
    return [[*row, f"{num_equal} of {len(given)} equal"]], num_equal == len(given)


def _company(
    ours: VLM,
    processor: Processor,
    samples: Sequence[Sample],
    arguments: argparse.Namespace,
    figures: dict[str, Any],
) -> tuple[list[Sequence[str]], bool]:
    """All pictures at once, and one after the other, for short and long answers."""
    rows: list[Sequence[str]] = []
    all_same = True
    for num_tokens in arguments.lengths:
        told: dict[str, list[list[int]]] = {}

        def together(n: int = num_tokens, told: dict[str, list[list[int]]] = told) -> None:
            told["together"] = _answers(ours, processor, samples, len(samples), n)

        def in_turn(n: int = num_tokens, told: dict[str, list[list[int]]] = told) -> None:
            told["in turn"] = _answers(ours, processor, samples, 1, n)

        times = _interleaved((together, in_turn), arguments)
        same = told["together"] == told["in turn"]
        all_same = all_same and same
        figures[f"company, {num_tokens} tokens"] = {"together_s": times[0], "in_turn_s": times[1]}
        row = _row(f"{len(samples)} pictures, {num_tokens} tokens each; ours in turn", times)
        rows.append([*row, "equal" if same else "NOT equal"])
    return rows, all_same


def _answers(
    model: VLM, processor: Processor, samples: Sequence[Sample], max_running: int, num_tokens: int
) -> list[list[int]]:
    """By a fresh engine, which remembers nothing."""
    engine = GenerationEngine(model, processor, EngineConfig(max_running=max_running))
    options = GenerationOptions(max_new_tokens=num_tokens)
    completions = engine.finish([engine.submit(sample, options) for sample in samples])
    return [list(completion.token_ids) for completion in completions]


def _interleaved(
    ways: Sequence[Callable[[], None]], arguments: argparse.Namespace
) -> list[list[float]]:
    """Seconds of each way, taken in turns, after one run for warmth."""
    times: list[list[float]] = [[] for _ in ways]
    for index in range(arguments.repeats + 1):
        for way, own in zip(ways, times, strict=True):
            start = time.perf_counter()
            way()
            own.append(time.perf_counter() - start)
        print(f"round {index} of {arguments.repeats}", file=sys.stderr)
    return [own[1:] for own in times]


def _row(what: str, times: Sequence[Sequence[float]]) -> list[str]:
    medians = [median(each) for each in times]
    shown = [f"{median(t):.2f} s ({min(t):.2f}-{max(t):.2f})" for t in times]
    return [what, *shown, f"{medians[1] / medians[0]:.1f}"]


@torch.inference_mode()
def _their_answer(theirs: Any, given: dict[str, Tensor]) -> list[int]:
    whole = theirs.generate(**given, max_new_tokens=NUM_ANSWER, do_sample=False, pad_token_id=0)
    return whole[0, given["input_ids"].shape[1] :].tolist()


def _questions(processor: Processor, picture: np.ndarray) -> list[Sample]:
    """Different questions, each of about as many tokens."""
    chance = Random(0)
    without = len(_asked(processor, picture, "red").token_ids) - 1
    samples: list[Sample] = []
    while len(samples) < NUM_QUESTIONS:
        words: list[str] = []
        sample = _asked(processor, picture, "red")
        while len(sample.token_ids) < without + NUM_WORDS:
            words.append(chance.choice(WORDS))
            sample = _asked(processor, picture, " ".join(words))
        samples.append(sample)
    return samples


def _asked(processor: Processor, picture: np.ndarray, text: str) -> Sample:
    return processor.encode(ask_about([picture], text), add_generation_prompt=True)


def _picture(side: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument("--blocks", type=int, help="of each panel, fewer than the shape has")
    parser.add_argument("--precision", choices=("float32", "int8"), default="float32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--sampled", type=int, default=NUM_QUESTIONS, help="questions put to transformers"
    )
    parser.add_argument(
        "--lengths", type=int, nargs="*", default=[8, 64], help="answers of company, in tokens"
    )
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
