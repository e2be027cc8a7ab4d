"""The pairs of a mixture, looked at before a matcher is trained on them, without weights.

faults      what readers leave out, pictures without a text, texts too long; pictures by headers
sameness    texts that are said of many pictures, each of which is held to be wrong for the others
"""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from triptych.data.ledger import Ledger
from triptych.data.mixture import Mixture, MixtureConfig
from triptych.errors import DataError, TriptychError
from triptych.pairs import PairProcessor
from triptych.preflight.findings import Finding, cure_of
from triptych.preflight.looked import Looked, LookedSource
from triptych.preflight.walking import UNUSABLE

SAME_TEXT = "one text of many pictures"
MOST_ALIKE = 0.05
"""Share of pairs that may say the very same before it is worth a word."""


def look_at_pairs_before(
    mixture: MixtureConfig,
    processor: PairProcessor,
    root: Path = Path(),
    *,
    say: Callable[[str], None],
    num_samples: int = 256,
) -> Looked:
    """What a run does before it begins: all pairs by their headers, some of them opened.

    Raises:
        DataError: the run would be spoilt; the message has the findings and their cures.
    """
    looked = look_at_pairs(mixture, processor, root, num_samples=num_samples)
    say(f"looked through {looked.num_looked:,} pairs in {looked.seconds:.1f} s")
    bad = [each for each in looked.findings if each.spoils]
    if bad:
        listed = "\n".join(f"  {each.sample_id}: {each.what}; {each.fix}" for each in bad[:5])
        raise DataError(f"{len(bad)} findings would spoil the run; mend them:\n{listed}")
    for each in looked.findings:
        if each.kind == SAME_TEXT:
            say(f"{each.what}; {each.fix}")
    return looked


def look_at_pairs(
    mixture: MixtureConfig,
    processor: PairProcessor,
    root: Path = Path(),
    *,
    num_samples: int = 256,
) -> Looked:
    """Look at the pairs of a mixture; `num_samples` of them are opened, 0 for all."""
    started, looked = time.monotonic(), Looked()
    try:
        source = mixture.build(processor, root)
        _look(source, num_samples or len(source), looked)
    except TriptychError as error:
        what, _, fix = str(error).rpartition("; ")
        looked.findings.append(Finding(UNUSABLE, "the mixture", what or str(error), fix))
    looked.seconds = time.monotonic() - started
    return looked


def _look(source: Mixture, count: int, looked: Looked) -> None:
    for name, inner in zip(source.names, source.sources, strict=True):
        looked.sources.append(LookedSource(name, num_samples=len(inner)))
    texts: Counter[tuple[int, ...]] = Counter()
    step = max(1, len(source) // count)
    for index in range(0, len(source), step)[:count]:
        sample = source.sample(index, torch.Generator().manual_seed(index))
        texts[tuple(sample.token_ids)] += 1
        looked.lengths.append(len(sample.token_ids))
        looked.num_labels.append(len(sample.token_ids) - 1)
        looked.image_sizes += [(image.height, image.width) for image in sample.images]
        looked.sources[source.place(index)[0]].num_looked += 1
    for ledger, own in zip(source.ledgers, looked.sources, strict=False):
        _note(ledger, own, looked)
    _say_sameness(texts, looked)


def _note(ledger: Ledger, source: LookedSource, looked: Looked) -> None:
    source.num_unusable, source.num_cut = len(ledger.left_out), len(ledger.changed)
    for entry in (*ledger.left_out, *ledger.changed):
        what, fix = entry.detail or entry.reason, cure_of(entry.reason)
        looked.findings.append(Finding(entry.reason, entry.sample_id, what, fix, spoils=False))


def _say_sameness(texts: Counter[tuple[int, ...]], looked: Looked) -> None:
    total = texts.total()
    alike = sum(count - 1 for count in texts.values())
    if total and alike / total > MOST_ALIKE:
        looked.findings.append(
            Finding(
                SAME_TEXT,
                "the mixture",
                f"{alike} of {total} pairs say what another says, and contrast holds each text to "
                "be wrong for all pictures but its own",
                "make batches small, or the texts more particular",
                spoils=False,
            )
        )
