"""One sample in a hundred is broken, in every way there is: the run goes on and lists each."""

from collections import Counter
from pathlib import Path

import pytest
from tests.data.corrupt import EVERY_FAULT, mixture, write_all
from tests.laws.debug_models import subject

from triptych.data.mixture import Mixture
from triptych.errors import DataError
from triptych.processor import Sample
from triptych.train.order import Order


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrupt")
    write_all(folder)
    return folder


def build(root: Path, tolerate: float) -> Mixture:
    return mixture(tolerate).build(subject("llava_1_5_debug").processor, root)


def run(mixture: Mixture) -> list[Sample]:
    """One epoch as the loop goes through it, every batch collated."""
    processor = subject("llava_1_5_debug").processor
    order = Order(len(mixture), 64, 0, mixture.lengths())
    samples: list[Sample] = []
    for step in range(order.steps_per_epoch):
        step_samples = [mixture.sample(i, order.generator(step, i)) for i in order.indexes(step)]
        processor.collate(step_samples)
        samples += step_samples
    return samples


def listed(mixture: Mixture) -> list[list[tuple[str, str]]]:
    return [
        sorted((entry.sample_id.rpartition("/")[2], entry.reason) for entry in ledger.left_out)
        for ledger in mixture.ledgers
    ]


def test_a_run_over_600_samples_completes_and_lists_the_six_that_are_broken(root: Path):
    mixture = build(root, tolerate=0.01)
    assert len(mixture) == len(mixture.lengths() or ()) == 595, "one shows no damage in its header"
    seen = Counter(sample.sample_id for sample in run(mixture))
    assert listed(mixture) == EVERY_FAULT
    assert [ledger.num_kept for ledger in mixture.ledgers] == [198, 198, 198]
    details = [entry.detail for ledger in mixture.ledgers for entry in ledger.left_out]
    for found in ("a web page", "<image>", "(0 bytes)", "no picture", "3,600,000,000", "cut off"):
        assert sum(found in detail for detail in details) == 1, found
    assert sorted(seen.values()) == [1] * 593 + [2], "one stands in for the one that was cut off"
    assert not {"17", "18", "017.png", "coco17", "coco18"} & set(seen)


def test_a_run_that_tolerates_less_stops_and_names_the_samples(root: Path):
    with pytest.raises(DataError, match=r"2 of 200 samples \(1\.00%\) cannot be used"):
        build(root, tolerate=0.009)
