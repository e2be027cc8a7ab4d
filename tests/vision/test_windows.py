"""Windows of patches: there and back, and that nobody sees across an edge."""

from dataclasses import replace

import pytest
import torch

from triptych.errors import ConfigError
from triptych.shapes import Grid
from triptych.vision import clip_vit_l14_debug, qwen2_5_vl_vit_debug
from triptych.vision.windows import from_windows, to_windows, window_mask


def test_windows_drawn():
    cells = torch.arange(1.0, 16.0).reshape(1, 15, 1)  # 3 x 5 patches
    windows = to_windows(cells, Grid(3, 5), 2)[..., 0].tolist()
    assert windows == [
        [1, 2, 6, 7],
        [3, 4, 8, 9],
        [5, 0, 10, 0],
        [11, 12, 0, 0],
        [13, 14, 0, 0],
        [15, 0, 0, 0],
    ]
    mask = window_mask(Grid(3, 5), 2)
    assert mask is not None
    assert torch.equal(mask[:, 0, 0], torch.tensor(windows) > 0)


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(4, 4), Grid(5, 9), Grid(12, 3)])
def test_patches_come_back(grid):
    cells = torch.randn(2, grid.num_tokens, 3)
    assert torch.equal(from_windows(to_windows(cells, grid, 4), grid, 4), cells)


def test_no_mask_is_needed_where_windows_fill_the_grid():
    assert window_mask(Grid(8, 4), 4) is None


@torch.no_grad()
def test_a_patch_feels_its_window_and_whole_blocks_feel_everything():
    config = replace(qwen2_5_vl_vit_debug(), whole_blocks=())
    torch.manual_seed(0)
    pixels = torch.randn(1, 3, 6 * 8, 5 * 8)  # windows of 4, at the edges of 2 rows and 1 column
    changed = pixels.clone()
    changed[..., 8 * 4 :, : 8 * 4] += 1  # the window below at the left
    vision = config.build().eval()
    is_felt = (vision(pixels).cells != vision(changed).cells).any(dim=-1)[0]
    assert is_felt[4:, :4].all() and not is_felt[:4].any() and not is_felt[:, 4].any()
    whole = replace(config, whole_blocks=(1,)).build().eval()
    assert (whole(pixels).cells != whole(changed).cells).any(dim=-1).all()


@torch.no_grad()
def test_one_large_window_is_the_whole_picture():
    config = replace(qwen2_5_vl_vit_debug(), whole_blocks=())
    plain, large = replace(config, window=None).build().eval(), replace(config, window=16).build()
    large.load_state_dict(plain.state_dict())
    pixels = torch.randn(2, 3, 40, 24)
    torch.testing.assert_close(large.eval()(pixels).cells, plain(pixels).cells)


def test_windows_that_make_no_sense_are_refused():
    config = qwen2_5_vl_vit_debug()
    with pytest.raises(ConfigError, match="side of at least 1 patch"):
        replace(config, window=0)
    with pytest.raises(ConfigError, match="side of at least 1 patch"):
        replace(config, window=None)  # and yet whole_blocks
    with pytest.raises(ConfigError, match="class token, which lies in none"):
        replace(clip_vit_l14_debug(), window=4)
    with pytest.raises(ConfigError, match=r"from 0 to 2, got \(3,\)"):
        replace(config, whole_blocks=(3,))
