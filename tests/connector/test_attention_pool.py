"""What is particular to the attention pool; its formula is tested in `tests/parity`."""

import math

import pytest
import torch

from triptych.connector import AttentionPoolConfig
from triptych.connector.attention_pool import resize_table, sincos_2d
from triptych.errors import ConfigError
from triptych.shapes import Grid


def test_positions_tell_the_column_in_the_first_half_and_the_row_in_the_second():
    table = sincos_2d(2, 3, 8)
    assert table.shape == (2, 3, 8)
    # index times 1 and times 1/100: sines, then cosines
    for row in range(2):
        for col in range(3):
            waves = [
                [math.sin(i), math.sin(i / 100), math.cos(i), math.cos(i / 100)] for i in (col, row)
            ]
            torch.testing.assert_close(table[row, col], torch.tensor(waves).flatten())


def test_a_table_that_fits_is_not_resized():
    table = sincos_2d(2, 3, 8)
    assert resize_table(table, 2, 3) is table


def test_a_resized_table_keeps_rows_and_columns_apart():
    table = sincos_2d(4, 4, 8)
    resized = resize_table(table, 8, 6)
    assert resized.shape == (8, 6, 8)
    by_col, by_row = resized.split(4, dim=-1)
    torch.testing.assert_close(by_col, by_col[:1].expand_as(by_col))
    torch.testing.assert_close(by_row, by_row[:, :1].expand_as(by_row))


def test_class_tokens_have_no_place():
    pool = AttentionPoolConfig(query_grid=(2, 2), num_heads=2).build(vision_dim=6, language_dim=8)
    queries, keys = pool.positions(Grid(2, 2, prefix=1))
    assert keys[0].tolist() == [0] * 8
    torch.testing.assert_close(keys[1:], queries)


def test_what_does_not_fit_the_language_width_is_refused():
    with pytest.raises(ConfigError, match="num_heads=4 does not divide the language width 10"):
        AttentionPoolConfig(num_heads=4).build(vision_dim=6, language_dim=10)
    with pytest.raises(ConfigError, match="a language width that 4 divides, got 10"):
        AttentionPoolConfig(num_heads=2).build(vision_dim=6, language_dim=10)


@pytest.mark.parametrize("query_grid", [(0, 4), (4, 0)])
def test_an_empty_query_grid_is_refused(query_grid: tuple[int, int]):
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        AttentionPoolConfig(query_grid=query_grid)
