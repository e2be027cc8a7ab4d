"""Which samples share a row: all of them once, none in a row too short, and little padding."""

import random

import pytest

from triptych.data.packing import padding_share, plan_in_windows, plan_rows
from triptych.errors import TokenError


def test_the_longest_come_first_each_into_the_first_row_with_room():
    assert plan_rows([3, 7, 2, 5, 4, 3], 8) == [[0, 3], [1], [2], [4, 5]]
    assert plan_rows([4, 4, 4], 8) == [[0, 1], [2]]
    assert plan_rows([], 8) == []


def test_a_sample_longer_than_a_row_is_refused():
    with pytest.raises(TokenError, match="a sample of 9 tokens does not fit into a row of 8"):
        plan_rows([3, 9], 8)


@pytest.mark.parametrize("seed", range(20))
def test_every_sample_is_planned_once_and_no_row_is_too_long(seed):
    draw = random.Random(seed)
    lengths = [draw.randint(1, 100) for _ in range(draw.randint(1, 300))]
    order = list(range(len(lengths)))
    draw.shuffle(order)
    rows = plan_in_windows(lengths, order, 100, window=draw.randint(1, 80))
    assert sorted(index for row in rows for index in row) == sorted(order)
    assert max(sum(lengths[index] for index in row) for row in rows) <= 100
    # Never two rows that would fit into one, within one window.
    fills = sorted(sum(row) for row in ([lengths[i] for i in r] for r in plan_rows(lengths, 100)))
    assert len(fills) < 2 or fills[0] + fills[1] > 100


def test_a_plan_depends_on_lengths_and_order_alone():
    draw = random.Random(1)
    lengths = [draw.randint(20, 90) for _ in range(500)]
    plans = [plan_in_windows(lengths, range(500), 256, window=100) for _ in range(2)]
    assert plans[0] == plans[1]
    assert plans[0] != plan_in_windows(lengths, range(499, -1, -1), 256, window=100)


def test_what_a_window_leaves_over_is_planned_with_the_next():
    rows = plan_in_windows([5] * 9, range(9), 10, window=3)
    assert rows == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]


def test_the_share_of_padding_is_that_of_full_rows():
    assert padding_share([6, 2, 4], [[0, 1], [2]], 8) == pytest.approx(4 / 16)


# Tokens of a picture and of text: a caption, a short answer, ten questions about a drawing. Real
# ones are measured by benchmarks/packing.py.
KINDS = {"captions": (49, 9, 26), "answers": (64, 12, 30), "questions": (64, 60, 420)}


@pytest.mark.parametrize("kinds", [*([each] for each in KINDS), list(KINDS)], ids="-".join)
def test_hardly_a_row_is_padding(kinds):
    draw = random.Random(0)
    lengths: list[int] = []
    for _ in range(3000):
        picture, least, most = KINDS[draw.choice(kinds)]
        lengths.append(picture + draw.randint(least, most))
    rows = plan_in_windows(lengths, range(3000), 1024)
    assert padding_share(lengths, rows, 1024) <= 0.05
