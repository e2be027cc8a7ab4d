"""Prefix language modelling: a text is cut somewhere, its beginning read in both directions.

    tokens     v v v  a dog runs | on the beach <end>
    prefix     1 1 1  1 1   1    | 0  0   0     0           all of it sees all of it
    learned    . . .  . .   .    | x  x   x     x           the rest, one word after the other

Captions teach with no question and no answer so; where the cut falls is drawn anew each time. What
comes out is a sample like any other, whose loss is `language_modelling`.

SimVLM: https://arxiv.org/abs/2108.10904 (section 3.1)
"""

from dataclasses import replace

import torch
from torch import Generator

from triptych.errors import TokenError
from triptych.inputs import IGNORED, PREFIX_BRANCH
from triptych.sequences import Sample


def cut_somewhere(sample: Sample, generator: Generator) -> Sample:
    """The sample with a prefix that ends anywhere behind its pictures.

    At least the last token is learned, and at least one token is prefix.

    Raises:
        TokenError: as `cut`.
    """
    first, last = _first_cut(sample), len(sample.token_ids) - 1
    if first > last:
        return cut(sample, first)
    return cut(sample, int(torch.randint(first, last + 1, (), generator=generator)))


def cut(sample: Sample, num_prefix: int) -> Sample:
    """The sample with its first `num_prefix` tokens as prefix, and all others learned.

    Raises:
        TokenError: the cut leaves a picture behind it or no token to learn; or the sample already
            holds several conversations.
    """
    name = f"sample {sample.sample_id}" if sample.sample_id else "the sample"
    if any(branch != PREFIX_BRANCH for branch in sample.branches):
        raise TokenError(
            f"{name} holds several conversations that share a beginning; encode them one by one "
            "to learn from prefixes"
        )
    num_tokens = len(sample.token_ids)
    if not _first_cut(sample) <= num_prefix < num_tokens:
        raise TokenError(
            f"{name} has {num_tokens} tokens, of which the pictures end at {_first_cut(sample)}, "
            f"and cannot be cut at {num_prefix}; cut it behind the pictures and before the end"
        )
    return replace(
        sample,
        labels=[IGNORED] * num_prefix + sample.token_ids[num_prefix:],
        num_mutual=num_prefix,
    )


def _first_cut(sample: Sample) -> int:
    return max([1, *(span.stop for span in sample.spans)])
