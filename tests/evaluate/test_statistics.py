"""Intervals around means."""

import random

import pytest

from triptych.errors import DataError
from triptych.evaluate.statistics import mean_interval


def test_wilsons_interval_of_a_coin() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263, 15 of 148, 0 of 20.
    for hits, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)):
        interval = mean_interval([1.0] * hits + [0.0] * (count - hits))
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    nothing = mean_interval([0.0] * 20)
    assert (nothing.low, nothing.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_partial_scores_are_more_certain_than_coins() -> None:
    partial = mean_interval([0.4, 0.6] * 50)
    coin = mean_interval([0.0, 1.0] * 50)
    assert partial.mean == pytest.approx(coin.mean)
    assert partial.high - partial.low < 0.3 * (coin.high - coin.low)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held, trials = random.Random(0), 0, 2000
    for _ in range(trials):
        interval = mean_interval([float(rng.random() < 0.9) for _ in range(100)])
        held += interval.low <= 0.9 <= interval.high
    assert 0.93 < held / trials < 0.97


def test_the_mean_lies_within_its_interval() -> None:
    for count in range(1, 200):
        for scores in ([0.0] * count, [1.0] * count, [0.0] * count + [1.0]):
            interval = mean_interval(scores)
            assert 0 <= interval.low <= interval.mean <= interval.high <= 1


def test_no_score_has_no_interval() -> None:
    with pytest.raises(DataError, match="at least one"):
        mean_interval([])
