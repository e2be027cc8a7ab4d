"""What packing and the chunked loss are worth: attention, loss and padding, each by itself.

python benchmarks/packing.py attention --keep
python benchmarks/packing.py loss --keep
python benchmarks/packing.py padding --flickr8k FOLDER --easy-vqa FILE --keep

`attention` takes a row of several documents, forward and backward, under one mask over the whole
row, document by document as `triptych.nn.documents` does, and as a batch that is padded to the
longest document (torch's nested tensors have no kernel for this on a CPU). `loss` is the
cross-entropy over 49,152 and 151,936 words, in chunks and at once, with its peak memory.
`padding` packs real lengths into rows. Times are CPU times of one thread, the least of several.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import torch
from recording import add_options, record, table
from torch import Tensor
from torch.nn import functional

from triptych.checkpoint.model_folder import load_model
from triptych.data.packing import padding_share, plan_in_windows
from triptych.data.worlds import WORLDS
from triptych.data.worlds.samples import WorldSamples
from triptych.language import OutputTable
from triptych.nn.attention import attend
from triptych.nn.documents import Documents
from triptych.nn.masks import document_mask
from triptych.objectives.cross_entropy import CHUNK_BYTES, summed_loss
from triptych.processor import Processor
from triptych.tasks.embedded import embedded_models

REPEATS = 3

DOCUMENTS = {
    "2,048 in documents of 60-75": (60, 75),
    "of 200-230": (200, 230),
    "of 30-500": (30, 500),
}
"""A picture of 49 tokens with a caption, one of 196 with a caption, and anything."""

ROW, HEADS, KEY_HEADS, HEAD_DIM = 2048, 9, 3, 64
"""Tokens, and the attention of SmolLM-135M."""

VOCABULARIES = {"SmolLM": (49_152, 576), "Qwen2-0.5B": (151_936, 896)}
"""Words and width."""

LABELS = 512

WORLD_SAMPLES = 600

PICTURES, FRAME = (64, 197), 8
"""Tokens of a picture of 224 x 224 in `mini` and in MiniVLM, and of the template around a text."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("attention", "loss", "padding"))
    parser.add_argument("--flickr8k", type=Path, help="folder of the data set, for `padding`")
    parser.add_argument("--easy-vqa", type=Path, help="its questions, for `padding`")
    parser.add_argument("--row", type=int, default=ROW, help="tokens of a row")
    add_options(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    parts = {"attention": _attention, "loss": _loss, "padding": _padding}
    header, rows = parts[arguments.part](arguments)
    figures = {"columns": header, "rows": rows}
    record(arguments, f"packing: {arguments.part}", figures, table(header, rows))


def _least(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """CPU seconds of one run, the first left out."""
    run()
    times: list[float] = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


# -- attention ------------------------------------------------------------------------------------


def _attention(arguments: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    rows: list[list[str]] = []
    for name, (low, high) in DOCUMENTS.items():
        draw, lengths = random.Random(0), list[int]()
        while sum(lengths) < arguments.row:
            lengths.append(draw.randint(low, high))
        for dtype in (torch.float32, torch.bfloat16):
            ways = _ways(lengths, dtype)
            kind = str(dtype).removeprefix("torch.")
            rows.append([f"{name}, {kind}", *(f"{1000 * _least(way):.0f}" for way in ways)])
    return ["tokens, ms", "one mask", "by documents", "padded"], rows


def _ways(lengths: Sequence[int], dtype: torch.dtype) -> list[Callable[[], None]]:
    num_tokens = sum(lengths)
    ids = torch.cat([torch.full((length,), i) for i, length in enumerate(lengths)])[None]
    query, key, value = (
        torch.randn(1, num_tokens, heads, HEAD_DIM, dtype=dtype, requires_grad=True)
        for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    )
    upstream = torch.randn(1, HEADS, num_tokens, HEAD_DIM, dtype=dtype)
    mask, documents = document_mask(ids), Documents(ids)
    padded, places = _side_by_side(lengths)

    def heads_first() -> tuple[Tensor, ...]:
        return tuple(each.transpose(1, 2) for each in (query, key, value))

    def under_one_mask() -> None:
        attend(*heads_first(), mask=mask).backward(upstream)

    def by_documents() -> None:
        documents.attend(*heads_first()).backward(upstream)

    def side_by_side() -> None:
        shape = len(lengths), max(lengths)
        parts = (
            each[0][padded].view(*shape, -1, HEAD_DIM).transpose(1, 2)
            for each in (query, key, value)
        )
        mixed = attend(*parts, is_causal=True).transpose(1, 2).flatten(0, 1)
        mixed[places].transpose(0, 1)[None].backward(upstream)

    return [under_one_mask, by_documents, side_by_side]


def _side_by_side(lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Tokens of a row as rows of one document each, padded; and where each token came to lie."""
    longest, starts = max(lengths), torch.tensor([0, *lengths]).cumsum(0)
    padded, places = list[Tensor](), list[Tensor]()
    for number, length in enumerate(lengths):
        steps = torch.arange(longest).clamp(max=length - 1)
        padded.append(starts[number] + steps)
        places.append(number * longest + torch.arange(length))
    return torch.cat(padded), torch.cat(places)


# -- loss -----------------------------------------------------------------------------------------


def _loss(_: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    rows: list[list[str]] = []
    for name, (vocab, dim) in VOCABULARIES.items():
        hidden = torch.randn(LABELS, dim, requires_grad=True)
        weight = torch.randn(vocab, dim).mul_(0.02).requires_grad_()
        problem = hidden, weight, torch.randint(vocab, (LABELS,))
        rows.append([f"{name}: {vocab:,} x {dim}, at once", *_cost(_at_once, problem)])
        for size in (CHUNK_BYTES // 4, CHUNK_BYTES):
            in_chunks = partial(_in_chunks, size)
            rows.append([f"{name}: in chunks of {size >> 20} MB", *_cost(in_chunks, problem)])
    return [f"{LABELS:,} labels, forward and backward", "s", "peak MB"], rows


def _at_once(hidden: Tensor, weight: Tensor, targets: Tensor) -> None:
    functional.cross_entropy(hidden @ weight.T, targets, reduction="sum").backward()


def _in_chunks(chunk_bytes: int, hidden: Tensor, weight: Tensor, targets: Tensor) -> None:
    tables = (OutputTable(weight, None),)
    summed_loss(hidden, targets, tables, chunk_bytes=chunk_bytes)[0].backward()


def _cost(run: Callable[..., None], problem: Sequence[Tensor]) -> list[str]:
    """CPU seconds, and the most memory beside that of the gradients, which replace older ones."""

    def fresh() -> None:
        for each in problem:
            each.grad = None
        run(*problem)

    seconds = _least(fresh, 1)
    cells = [f"{seconds:.2f}", f"{_peak_bytes(fresh) / 1e6:.0f}"]
    print(*cells, file=sys.stderr)
    return cells


def _peak_bytes(run: Callable[[], None]) -> int:
    """Most that tensors take at once while something runs, as the profiler counts it."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        run()
    held = most = 0
    for event in profile.profiler.kineto_results.events():  # pyright: ignore
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most


# -- padding --------------------------------------------------------------------------------------


def _padding(arguments: argparse.Namespace) -> tuple[list[str], list[list[str]]]:
    processor = load_model(embedded_models()["mini"]).processor
    rows = [
        _waste(name, lengths, arguments.row) for name, lengths in _lengths(processor, arguments)
    ]
    header = [f"padding, rows of {arguments.row:,}", "samples", "tokens", "32 in a batch"]
    return [*header, "of full rows", "4 rows in a batch"], rows


def _lengths(
    processor: Processor, arguments: argparse.Namespace
) -> Iterable[tuple[str, list[int]]]:
    def count(text: str) -> int:
        return len(processor.tokenizer.encode(text)) + FRAME

    if arguments.flickr8k is not None:
        lines = (arguments.flickr8k / "Flickr8k.token.txt").read_text(encoding="utf-8").splitlines()
        captions = [count(line.partition("\t")[2]) for line in lines]
        for picture in PICTURES:
            name = f"Flickr8k captions, pictures of {picture}"
            yield name, [picture + length for length in captions]
    if arguments.easy_vqa is not None:
        asked = json.loads(arguments.easy_vqa.read_text(encoding="utf-8"))
        pairs = [PICTURES[0] + count(f"{question} {answer}") for question, answer, _ in asked]
        yield "easy-VQA", pairs
    mixed = dict.fromkeys(WORLDS, 1.0)
    for name, questions in (("one short answer a picture", 1), ("worlds, ten questions", 10)):
        drawn = WorldSamples(processor, WORLDS, mixed, WORLD_SAMPLES, max_questions=questions)
        samples = (
            drawn.sample(index, torch.Generator().manual_seed(index)) for index in range(len(drawn))
        )
        yield name, [len(sample.token_ids) for sample in samples]


def _waste(name: str, lengths: Sequence[int], row: int) -> list[str]:
    """Padding of batches in shuffled order; of rows that are full; of four rows a batch, which are
    padded to the longest of them."""
    order = random.Random(0).sample(range(len(lengths)), len(lengths))
    batches = [[lengths[i] for i in order[at : at + 32]] for at in range(0, len(order), 32)]
    padded = 1 - sum(lengths) / sum(max(batch) * len(batch) for batch in batches)
    rows = plan_in_windows(lengths, order, row)
    fills = [sum(lengths[index] for index in own) for own in rows]
    fours = [fills[at : at + 4] for at in range(0, len(fills), 4)]
    read = sum(max(four) * len(four) for four in fours)
    shares = padded, padding_share(lengths, rows, row), 1 - sum(lengths) / read
    return [name, f"{len(lengths):,}", f"{sum(lengths):,}", *(f"{each:.1%}" for each in shares)]


if __name__ == "__main__":
    main()
