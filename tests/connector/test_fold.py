"""Folding, drawn; the promises of the connectors that fold are in `test_contract`."""

import torch

from triptych.connector import PixelShuffleConfig, fold, folded_grid
from triptych.connector.merger import MergerConfig
from triptych.shapes import Grid, VisionFeatures


def test_fold_reads_each_neighbourhood_in_order():
    #  0  1 |  2  3        each quarter becomes one token,
    #  4  5 |  6  7        its four patches read left to right,
    # ------+------        top to bottom
    #  8  9 | 10 11
    # 12 13 | 14 15
    cells = torch.arange(16.0).reshape(1, 4, 4, 1)

    assert fold(cells, factor=2)[0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


def test_fold_keeps_rows_and_columns_apart():
    #  0  1 |  2  3 |  4  5
    #  6  7 |  8  9 | 10 11
    cells = torch.arange(12.0).reshape(1, 2, 6, 1)
    assert fold(cells, factor=2)[0].tolist() == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]

    # 0 1
    # 2 3
    # ---
    # 4 5
    # 6 7
    cells = torch.arange(8.0).reshape(1, 4, 2, 1)
    assert fold(cells, factor=2)[0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_the_channels_of_a_patch_stay_together():
    # Patch n has the channels (n, -n).
    index = torch.arange(4.0)
    cells = torch.stack([index, -index], dim=-1).reshape(1, 2, 2, 2)
    assert fold(cells, factor=2)[0].tolist() == [[0, 0, 1, -1, 2, -2, 3, -3]]


def test_the_folded_grid_has_fewer_rows_and_columns():
    assert folded_grid(Grid(32, 32), 2) == Grid(16, 16)
    assert folded_grid(Grid(6, 4), 2) == Grid(3, 2)
    assert folded_grid(Grid(3, 5), 1) == Grid(3, 5)


def test_the_merger_norms_patches_and_pixel_shuffle_norms_neighbourhoods():
    # Scaling one patch is invisible after a norm of each patch, and visible after a norm of four.
    torch.manual_seed(0)
    cells = torch.randn(1, 2, 2, 8)
    louder = cells.clone()
    louder[0, 0, 0] *= 10
    prefix = torch.zeros(1, 0, 8)
    for config, sees_it in [(MergerConfig(), False), (PixelShuffleConfig(), True)]:
        connector = config.build(vision_dim=8, language_dim=12)
        before = connector(VisionFeatures(cells, prefix))
        after = connector(VisionFeatures(louder, prefix))
        assert torch.allclose(before, after, atol=1e-4) != sees_it
