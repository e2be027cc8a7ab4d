"""Beside transformers' generate, on the same weights, in turns within one process.

python benchmarks/against_transformers.py --shape 2b --precision float32 --threads 2 --keep
python benchmarks/against_transformers.py --shape 2b --precision int8 --threads 2 --keep

A Qwen2-VL with random weights answers one question about a picture, both engines by the function
that anyone calls: ours `triptych.generate.stream`, theirs `generate` with a streamer, in float32.
The first token tells what reading took (vision, connector, language), the others what a token
takes. Memory is the highest point of a process that has one of the two alone, beyond what the
imports take. GEMM and read peaks of the machine are measured between the turns.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from recording import add_options, record, table
from torch import Tensor
from twins import SHAPES, Task, given_to_them, make_task, our_model, our_model_alone, shaped
from twins import their_model as make_theirs

from triptych.fusion.vlm import VLM
from triptych.generate import GenerationOptions, stream
from triptych.measure.memory import peak_bytes, resident_bytes
from triptych.measure.peaks import Peaks, measure_peaks
from triptych.measure.work import Prompt, Work, Workload

QUANTIZE = {"float32": "", "int8": "int8"}
SIDES = {"2b": 448, "mini": 448, "debug": 96}


@dataclass(slots=True)
class Ticks:
    """When a run began and when each token came: by the clock, and by what the processor spent."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def tick(self) -> None:
        self.wall.append(time.perf_counter())
        self.cpu.append(time.process_time())

    @staticmethod
    def reading(times: Sequence[float]) -> float:
        """Seconds to the first token."""
        return times[1] - times[0]

    @staticmethod
    def step(times: Sequence[float]) -> float:
        """Seconds for each token after it."""
        return (times[-1] - times[1]) / (len(times) - 2)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one answer took, and said."""

    ticks: Ticks
    tokens: tuple[int, ...]


class Streamer:
    """Told by transformers of the prompt, then of every token."""

    def __init__(self, ticks: Ticks) -> None:
        self.ticks = ticks
        self.saw_prompt = False

    def put(self, value: Tensor) -> None:
        if self.saw_prompt:
            self.ticks.tick()
        self.saw_prompt = True

    def end(self) -> None:
        pass


def ours(model: VLM, task: Task, num_new: int) -> Turn:
    """Answer with our engine; nothing is kept from one answer to the next."""
    ticks = Ticks()
    ticks.tick()
    pieces = stream(model, task.processor, task.sample, GenerationOptions(max_new_tokens=num_new))
    for _ in range(num_new):
        next(pieces)
        ticks.tick()
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return Turn(ticks, end.value.token_ids)


def theirs(model: Any, given: dict[str, Tensor], num_new: int) -> Turn:
    """Answer with transformers' generate."""
    ticks = Ticks()
    ticks.tick()
    with torch.inference_mode():
        answer = model.generate(
            **given, max_new_tokens=num_new, do_sample=False, streamer=Streamer(ticks)
        )
    return Turn(ticks, tuple(answer[0, given["input_ids"].shape[1] :].tolist()))


def main() -> None:
    """Measure memory apart, then both in turns; print."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.alone:
        print(json.dumps(_peak_alone(arguments)))
        return
    memory = {side: _memory_of(side) for side in ("ours", "theirs")} if arguments.memory else {}
    architecture = shaped(arguments.shape, arguments.blocks)
    task = make_task(architecture, arguments.side, arguments.text_tokens, arguments.seed)
    their_model = make_theirs(architecture, task, arguments.seed)
    model = our_model(architecture, their_model, QUANTIZE[arguments.precision])
    given = given_to_them(task)
    sides: dict[str, Callable[[], Turn]] = {
        "ours": lambda: ours(model, task, arguments.new_tokens),
        "theirs": lambda: theirs(their_model, given, arguments.new_tokens),
    }
    turns, peaks = _in_turns(sides, arguments.repeats, [arguments.precision])
    work = _work(model, task, arguments.new_tokens)
    figures = _figures(turns, peaks, work, memory, arguments.precision)
    figures |= {
        "shape": architecture.name,
        "blocks": arguments.blocks,
        "precision": arguments.precision,
        "prompt_tokens": task.num_tokens,
        "visual_tokens": task.num_visual,
        "same_answers": turns["ours"][0].tokens == turns["theirs"][0].tokens,
    }
    name = f"{architecture.name} in {arguments.precision} beside transformers"
    record(arguments, name, figures, _text(figures))


def _in_turns(
    sides: dict[str, Callable[[], Turn]], repeats: int, kinds: list[str]
) -> tuple[dict[str, list[Turn]], Peaks]:
    """Each side in turn, the other first every second time; both once before for warmth."""
    turns: dict[str, list[Turn]] = {side: [] for side in sides}
    peaks = measure_peaks(["float32", *kinds])
    for run in sides.values():
        run()
    for index in range(repeats):
        for side in list(sides)[:: -1 if index % 2 else 1]:
            turns[side].append(sides[side]())
            gc.collect()
        peaks = peaks.better(measure_peaks(["float32", *kinds]))
        print(f"turn {index + 1} of {repeats}", file=sys.stderr)
    return turns, peaks


def _work(model: VLM, task: Task, num_new: int) -> dict[str, Work]:
    """What must be computed to read the prompt, and for a token in the middle of the answer."""
    workload, inputs = Workload(model), task.processor.collate([task.sample])
    shapes = [(1, *image.shape) for image in inputs.images]
    vision, connector = workload.seeing(shapes)
    prompt = Prompt(num_tokens=task.num_tokens, num_pictures=1, num_visual=task.num_visual)
    return {
        "read": vision + connector + workload.reading(prompt),
        "step": workload.stepping(prompt, task.num_tokens + num_new // 2),
    }


def _figures(
    turns: dict[str, list[Turn]],
    peaks: Peaks,
    work: dict[str, Work],
    memory: dict[str, int],
    precision: str,
) -> dict[str, Any]:
    figures: dict[str, Any] = {"peaks": peaks.as_dict(), "memory_bytes": memory}
    for stage, seconds in (("read", Ticks.reading), ("step", Ticks.step)):
        wall = {s: [seconds(turn.ticks.wall) for turn in each] for s, each in turns.items()}
        cpu = {s: [seconds(turn.ticks.cpu) for turn in each] for s, each in turns.items()}
        figures[stage] = {
            "seconds": wall,
            "cpu_seconds": cpu,
            "ratio": _ratio(wall),
            "cpu_ratio": _ratio(cpu),
            "operations": work[stage].total,
            "bytes": work[stage].num_bytes,
        }
    median = statistics.median
    read, step = (median(figures[stage]["seconds"]["ours"]) for stage in ("read", "step"))
    figures["share_of_gemm_peak"] = work["read"].total / read / peaks.gemm[precision]
    figures["share_of_read_peak"] = work["step"].num_bytes / step / peaks.read
    return figures


def _ratio(seconds: dict[str, list[float]]) -> float:
    """How many times as long theirs take: the median over turns, which share the machine's mood."""
    pairs = zip(seconds["theirs"], seconds["ours"], strict=True)
    return statistics.median(their / our for their, our in pairs)


def _text(figures: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for stage, label in (("read", "first token"), ("step", "a further token")):
        found = figures[stage]
        for kind, name in (("seconds", label), ("cpu_seconds", f"{label}, processor time")):
            ratio = found["ratio" if kind == "seconds" else "cpu_ratio"]
            rows.append([name, _told(found[kind]["ours"]), _told(found[kind]["theirs"]), ratio])
    if figures["memory_bytes"]:
        own, other = (figures["memory_bytes"][side] for side in ("ours", "theirs"))
        rows.append(["memory, GB", f"{own / 1e9:.2f}", f"{other / 1e9:.2f}", other / own])
    cells = [[*row[:3], f"{row[3]:.2f}"] for row in rows]
    peaks = figures["peaks"]
    read, step, precision = figures["read"], figures["step"], figures["precision"]
    return "\n".join(
        [
            f"{figures['prompt_tokens']} tokens, {figures['visual_tokens']} of them visual; "
            f"{peaks['threads']} threads; ms, median (least to most). Theirs in float32.",
            "",
            table(["", "ours", "transformers", "ratio"], cells),
            "",
            f"Reading needs {read['operations'] / 1e9:,.0f} GFLOP: "
            f"{figures['share_of_gemm_peak']:.0%} of the GEMM peak of "
            f"{peaks['gemm_gflop_per_s'][precision]:.0f} GFLOP/s in {precision}. "
            f"A token reads {step['bytes'] / 1e9:.3f} GB: {figures['share_of_read_peak']:.0%} of "
            f"the read peak of {peaks['read_gb_per_s']:.1f} GB/s. "
            f"Same answers: {'yes' if figures['same_answers'] else 'no'}.",
        ]
    )


def _told(seconds: Sequence[float]) -> str:
    median, least, most = (
        1e3 * each for each in (statistics.median(seconds), min(seconds), max(seconds))
    )
    return f"{median:,.1f} ({least:,.1f} to {most:,.1f})"


def _memory_of(side: str) -> int:
    """Run this script again with one side alone."""
    command = [sys.executable, *sys.argv, "--alone", side]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return int(json.loads(done.stdout))


def _peak_alone(arguments: argparse.Namespace) -> int:
    """The highest point beyond what the imports take, weights drawn one tensor at a time."""
    if arguments.alone == "theirs":
        import transformers  # noqa: F401

    before = resident_bytes()
    architecture = shaped(arguments.shape, arguments.blocks)
    task = make_task(architecture, arguments.side, arguments.text_tokens, arguments.seed)
    if arguments.alone == "theirs":
        theirs(make_theirs(architecture, task, arguments.seed), given_to_them(task), 4)
    else:
        quantize = QUANTIZE[arguments.precision]
        ours(our_model_alone(architecture, quantize, arguments.seed), task, 4)
    return peak_bytes() - before


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="2b")
    parser.add_argument("--blocks", type=int, help="of each panel, instead of all")
    parser.add_argument("--precision", choices=QUANTIZE, default="float32", help="of ours")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--new-tokens", type=int, default=16)
    parser.add_argument("--text-tokens", type=int, default=30, help="of the prompt, at least")
    parser.add_argument("--side", type=int, help="of the picture in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-memory", dest="memory", action="store_false")
    parser.add_argument("--alone", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    add_options(parser)
    arguments = parser.parse_args()
    arguments.side = arguments.side or SIDES[arguments.shape]
    return arguments


if __name__ == "__main__":
    main()
