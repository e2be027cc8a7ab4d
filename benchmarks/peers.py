"""Two engines side by side on one model: the same prompt, pictures and number of tokens, in turns.

Each engine lives in a process of its own, possibly of another environment, and answers one request
a line: JSON in on its stdin, JSON out on its stdout.

    ours   <- {"picture": "a.npy", "question": ..., "new_tokens": 32}
    theirs <- {"picture": "a.npy", "prompt": ..., "new_tokens": 32}
           -> {"first_s": ..., "all_s": ..., "prompt_tokens": 286, "visual_tokens": 256,
               "answer": [...], "peak_bytes": ..., "first_cpu_s": ..., "all_cpu_s": ...}

`first_s` runs from the pixels in memory to the first chosen token, `all_s` to the last. Every
round has a picture of its own, so that nothing that an engine keeps helps it. While one engine
runs the other waits; who begins alternates.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from recording import add_options, record, table

from triptych.checkpoint.layouts import open_architecture
from triptych.processor import Processor, ask_about
from triptych.text import Tokenizer

HERE = Path(__file__).resolve().parent

BEFORE_PICTURE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
)
AFTER_PICTURE = "<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
"""Qwen2-VL's words around a picture; the counts of tokens show whether an engine adds to them."""

WORDS = ("then", "say", "what", "is", "in", "this", "picture", "in", "a", "few", "words")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One precision, as each side understands it."""

    name: str
    ours: Mapping[str, Any]
    """Arguments of `triptych.load` beyond the folder."""
    theirs: Mapping[str, Any]
    """What the peer's process is told to load."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of both."""

    num_visual: int
    num_prompt: int
    question: str
    new_tokens: int
    side: int
    rounds: int
    cpu_time: bool


@dataclass
class Side:
    """What one engine showed."""

    engine: str
    first_s: list[float] = field(default_factory=list)
    tokens_per_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    prompt_tokens: int = 0
    answers: list[list[int]] = field(default_factory=list)


class Process:
    """An engine in its own process."""

    def __init__(self, python: str, script: str, settings: Mapping[str, Any], threads: int) -> None:
        """Start it and wait until its model is loaded."""
        number = str(threads)
        environment = os.environ | {"OMP_NUM_THREADS": number, "OPENBLAS_NUM_THREADS": number}
        plain = json.dumps({**settings, "threads": threads})
        self._process = subprocess.Popen(
            [python, str(HERE / script), plain],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.engine = cast(str, self._read()["engine"])

    def ask(self, **request: Any) -> dict[str, Any]:
        """The reply to one request."""
        writer = cast(IO[str], self._process.stdin)
        writer.write(json.dumps(request) + "\n")
        writer.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = cast(IO[str], self._process.stdout).readline()
        if not line:
            raise SystemExit(f"the engine ended with code {self._process.wait()}; see above")
        return json.loads(line)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        cast(IO[str], self._process.stdin).close()
        self._process.wait()


def parser(description: str, precisions: Sequence[str]) -> argparse.ArgumentParser:
    """The options that all comparisons share."""
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    parser.add_argument("model", type=Path, help="exported folder, see random_checkpoint.py")
    parser.add_argument("--files", type=Path, required=True, help="folder of converted files")
    parser.add_argument("--peer-python", required=True, help="Python that has the peer installed")
    parser.add_argument(
        "--only", nargs="+", choices=precisions, default=precisions, help="these kinds of numbers"
    )
    parser.add_argument("--threads", type=int, default=1, help="of each engine")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each engine")
    parser.add_argument("--new-tokens", type=int, default=32, help="tokens of an answer")
    parser.add_argument("--side", type=int, default=448, help="of the picture, in pixels")
    parser.add_argument("--text-tokens", type=int, default=30, help="of the prompt, marks included")
    parser.add_argument(
        "--cpu-time", action="store_true", help="compare CPU times, for a busy machine; one thread"
    )
    add_options(parser)
    return parser


def compare(arguments: argparse.Namespace, peer: str, script: str, cases: Sequence[Case]) -> None:
    """Run the cases, then print a table and keep the figures where asked."""
    if arguments.cpu_time and arguments.threads > 1:
        raise SystemExit("threads that wait compute, too; --cpu-time is for --threads 1")
    task = plan(arguments)
    results: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    for case in cases:
        ours, theirs = run_case(case, task, arguments, script)
        results.append({"precision": case.name, "ours": asdict(ours), "theirs": asdict(theirs)})
        rows.append(_row(case.name, ours, theirs))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    about = {"task": asdict(task), "threads": arguments.threads, "model": arguments.model.name}
    record(arguments, f"Beside {peer}", {**about, "cases": results}, _page(arguments, task, rows))


def plan(arguments: argparse.Namespace) -> Task:
    """The task, with a question as long as makes the wanted number of tokens.

    Raises:
        SystemExit: so few tokens do not hold the words around a question.
    """
    architecture = open_architecture(arguments.model)
    tokenizer = Tokenizer.from_file(arguments.model / "tokenizer.json")
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    picture = noise(arguments.side, 0)
    words = ["Describe"]
    while True:
        question = " ".join(words)
        sample = processor.encode(ask_about([picture], question), add_generation_prompt=True)
        num_prompt = len(sample.token_ids)
        num_visual = sum(token == processor.image_id for token in sample.token_ids)
        if num_prompt - num_visual >= arguments.text_tokens:
            break
        words.append(WORDS[(len(words) - 1) % len(WORDS)])
    if num_prompt - num_visual > arguments.text_tokens:
        raise SystemExit(f"the least possible are {num_prompt - num_visual} --text-tokens")
    return Task(
        num_visual=num_visual,
        num_prompt=num_prompt,
        question=question,
        new_tokens=arguments.new_tokens,
        side=arguments.side,
        rounds=arguments.rounds,
        cpu_time=arguments.cpu_time,
    )


def run_case(
    case: Case, task: Task, arguments: argparse.Namespace, script: str
) -> tuple[Side, Side]:
    """Both engines in turns, after one untimed run of each."""
    mine = {"folder": str(arguments.model), **case.ours}
    with (
        Process(sys.executable, "peer_triptych.py", mine, arguments.threads) as our_engine,
        Process(arguments.peer_python, script, case.theirs, arguments.threads) as peer,
        tempfile.TemporaryDirectory() as folder,
    ):
        ours, theirs = Side(our_engine.engine), Side(peer.engine)
        for index in range(task.rounds + 1):
            picture = Path(folder) / f"{index}.npy"
            np.save(picture, noise(task.side, index))
            order = [(our_engine, ours), (peer, theirs)]
            for engine, side in order if index % 2 else reversed(order):
                reply = _ask(engine, task, picture)
                _check(side, reply, task)
                if index:
                    _record(side, reply, task)
    return ours, theirs


def noise(side: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A square picture that no other seed gives."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def _ask(engine: Process, task: Task, picture: Path) -> dict[str, Any]:
    return engine.ask(
        picture=str(picture),
        question=task.question,
        before=BEFORE_PICTURE,
        after=AFTER_PICTURE.format(question=task.question),
        new_tokens=task.new_tokens,
    )


def _check(side: Side, reply: Mapping[str, Any], task: Task) -> None:
    """Refuse to compare engines that read or wrote different amounts."""
    read, visual = reply["prompt_tokens"], reply.get("visual_tokens", task.num_visual)
    if (read, visual) != (task.num_prompt, task.num_visual):
        raise SystemExit(
            f"{side.engine} read {read} tokens, {visual} of them visual; expected are "
            f"{task.num_prompt} and {task.num_visual}"
        )
    if len(reply["answer"]) != task.new_tokens:
        raise SystemExit(
            f"{side.engine} wrote {len(reply['answer'])} tokens instead of {task.new_tokens}"
        )


def _record(side: Side, reply: Mapping[str, Any], task: Task) -> None:
    clock = "_cpu_s" if task.cpu_time else "_s"
    first_s, all_s = reply[f"first{clock}"], reply[f"all{clock}"]
    side.first_s.append(first_s)
    side.tokens_per_s.append((task.new_tokens - 1) / (all_s - first_s))
    side.peak_bytes = reply["peak_bytes"]
    side.prompt_tokens = reply["prompt_tokens"]
    side.answers.append(reply["answer"])


HEADER = (
    "numbers",
    "first token, s",
    "peer",
    "ratio",
    "tokens/s",
    "peer",
    "ratio",
    "peak MB",
    "peer",
    "equal tokens",
)


def _page(arguments: argparse.Namespace, task: Task, rows: Sequence[Sequence[str]]) -> str:
    return (
        f"{arguments.model.name}: {task.num_visual} visual + {task.num_prompt - task.num_visual} "
        f"other tokens, {task.new_tokens} new, threads of each: {arguments.threads}; medians of "
        f"{task.rounds} (least to most){' of CPU time' * task.cpu_time}. A ratio above 1 means "
        f"that Triptych is faster.\n\n"
        f"{table(HEADER, rows)}"
    )


def _row(name: str, ours: Side, theirs: Side) -> list[str]:
    return [
        f"{name} / {theirs.engine}",
        _spread(ours.first_s, 2),
        _spread(theirs.first_s, 2),
        f"{_median_ratio(theirs.first_s, ours.first_s):.2f}",
        _spread(ours.tokens_per_s, 1),
        _spread(theirs.tokens_per_s, 1),
        f"{_median_ratio(ours.tokens_per_s, theirs.tokens_per_s):.2f}",
        f"{ours.peak_bytes / 1e6:.0f}",
        f"{theirs.peak_bytes / 1e6:.0f}",
        f"{statistics.median(map(_agreement, ours.answers, theirs.answers)):g}",
    ]


def _spread(values: Sequence[float], digits: int) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f}-{most:.{digits}f})"


def _median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _agreement(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """Tokens before the first that differs; engines round differently."""
    equal = [a == b for a, b in zip(ours, theirs, strict=True)]
    return equal.index(False) if False in equal else len(equal)
