"""What it costs a token, and once, to hold an answer to a JSON schema.

python benchmarks/structure.py
python benchmarks/structure.py --keep

Two vocabularies: `mini`'s of 3,000 tokens, and one of 151,643 byte-level tokens that are drawn at
random, in a padded table of 151,936 rows (Qwen2's sizes). Tokens are drawn among the allowed ones;
times are of the processor, in microseconds.
"""

import argparse
import random
import statistics
import string
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import tokenizers
import torch
from recording import add_options, record, table
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor

from triptych.generate import JsonSchema
from triptych.generate.matching import Matcher, compile_structure
from triptych.tasks import embedded_models
from triptych.text import Tokenizer

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 4},
        "price": {"type": "number"},
        "when": {"type": "string", "format": "date"},
        "note": {"type": "string", "maxLength": 200},
    },
    "required": ["name", "age", "tags", "price", "when", "note"],
    "additionalProperties": False,
}
END = "<|im_end|>"
NUM_ANSWERS, NUM_TOKENS = 30, 80

Value = TypeVar("Value")


def main() -> None:
    """Measure both vocabularies."""
    arguments = _arguments()
    torch.set_num_threads(1)  # the time of the processor is then the time of one thread
    mini = Tokenizer.from_file(embedded_models()["mini"] / "tokenizer.json")
    subjects = {"3,000": (mini, mini.vocab_size), "151,936": (large_tokenizer(), 151_936)}
    measured = {name: measure(*subject) for name, subject in subjects.items()}
    steps = list(next(iter(measured.values())))
    rows = [[step, *(f"{each[step]:,.0f}" for each in measured.values())] for step in steps]
    text = table(["microseconds", *measured], rows)
    record(arguments, "structure", {"microseconds": measured}, text)


def measure(tokenizer: Tokenizer, vocab_size: int) -> dict[str, float]:
    """Median time of every step, in microseconds."""
    end_ids = (tokenizer.special(END),)

    def begin(title: str) -> Matcher:
        schema = JsonSchema({**SCHEMA, "title": title})
        return compile_structure(schema, tokenizer, end_ids, vocab_size)

    times = {"the vocabulary, once": [clocked(begin, "first")[0]]}
    for step, titles in (("a new schema", map(str, range(20))), ("a known schema", ["0"] * 20)):
        times[step] = [clocked(begin, title)[0] for title in titles]
    for step, seconds in walk(begin, vocab_size, end_ids[0]):
        times.setdefault(step, []).append(seconds)
    return {step: 1e6 * statistics.median(seconds) for step, seconds in times.items()}


def walk(
    begin: Callable[[str], Matcher], vocab_size: int, end_id: int
) -> Iterator[tuple[str, float]]:
    """What each step of some answers took, in seconds."""
    logits = torch.randn(vocab_size, generator=torch.Generator().manual_seed(0))
    for seed in range(NUM_ANSWERS):
        chooser, matcher = random.Random(seed), begin("0")
        for _ in range(NUM_TOKENS):
            seconds, allowed = clocked(matcher.allowed)
            yield "which tokens may come", seconds
            seconds, masked = clocked(masked_fill, logits, allowed)
            yield "logits elsewhere at -inf", seconds
            token = chooser.choice(masked.isfinite().nonzero()[:, 0].tolist())
            if token == end_id:
                break
            yield "to accept a token", clocked(matcher.accept, token)[0]
            yield "to take it back", clocked(matcher.rollback, 1)[0]
            matcher.accept(token)


def masked_fill(logits: Tensor, allowed: Tensor) -> Tensor:
    """The logits, -inf where a token may not come."""
    return logits.masked_fill(~allowed, -torch.inf)


def clocked(run: Callable[..., Value], *given: object) -> tuple[float, Value]:
    """Processor seconds of one call, and what it returned."""
    start = time.process_time()
    value = run(*given)
    return time.process_time() - start, value


def large_tokenizer() -> Tokenizer:
    """As many byte-level tokens as Qwen2 has: all bytes, then words drawn at random."""
    draw = random.Random(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: id for id, character in enumerate(alphabet)}
    letters = string.ascii_lowercase * 3 + string.ascii_uppercase + string.digits + '",:{}[]-_'
    while len(vocab) < 151_642:
        word = "".join(draw.choices(letters, k=draw.randint(2, 9)))
        vocab.setdefault(draw.choice(("", "Ġ")) + word, len(vocab))
    inner = tokenizers.Tokenizer(models.BPE(vocab, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = Tokenizer(inner)
    tokenizer.add_special([END])
    return tokenizer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
