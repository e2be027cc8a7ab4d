"""Rotary positions: laws of the angles, and the worked example of M-RoPE."""

import math

import pytest
import torch

from triptych.errors import ConfigError, ShapeError
from triptych.nn.rotary import (
    apply_rotation,
    multimodal_positions,
    rotation_1d,
    rotation_2d,
    rotation_mrope,
)


def positions(*ids):
    return torch.tensor([ids])


def test_a_pair_half_a_head_apart_turns_by_its_angle():
    # head_dim 4, theta 100: frequencies 1 and 1/10
    x = torch.tensor([1.0, 1.0, 0.0, 0.0])[None, None, None]
    turned = apply_rotation(x, rotation_1d(positions(3), 4, 100.0)).flatten()
    expected = [math.cos(3), math.cos(0.3), math.sin(3), math.sin(0.3)]
    torch.testing.assert_close(turned, torch.tensor(expected))


def test_scores_depend_on_the_distance_only():
    query, key = torch.randn(2, 1, 1, 1, 16)

    def score(query_position, key_position):
        turned = [
            apply_rotation(x, rotation_1d(positions(p), 16, 1e4))
            for x, p in ((query, query_position), (key, key_position))
        ]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(score(7, 3), score(104, 100), rtol=1e-4, atol=1e-5)
    assert (score(7, 3) - score(7, 4)).abs() > 1e-3


def test_position_zero_turns_nothing():
    x = torch.randn(2, 3, 1, 8)
    assert torch.equal(apply_rotation(x, rotation_1d(positions(0), 8, 1e4)), x)


def test_angles_are_float32_and_the_result_keeps_its_dtype():
    rotation = rotation_1d(positions(1000, 1001), 8, 1e4)
    assert all(part.dtype == torch.float32 for part in rotation)
    x = torch.randn(1, 1, 2, 8).bfloat16()
    turned = apply_rotation(x, rotation)
    assert turned.dtype == torch.bfloat16
    assert torch.equal(turned, apply_rotation(x.float(), rotation).bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_turning_is_the_same_with_and_without_a_gradient(dtype):
    x = torch.randn(2, 3, 5, 8).to(dtype).transpose(1, 2)
    rotation = rotation_1d(positions(4, 7, 9), 8, 1e4)
    learnt = apply_rotation(x.clone().requires_grad_(), rotation)
    assert learnt.requires_grad
    torch.testing.assert_close(apply_rotation(x, rotation), learnt.detach())


def test_a_grid_turns_first_by_row_then_by_column():
    cos, _ = rotation_2d(2, 3, 8, 100.0)
    assert cos.shape == (1, 6, 8)
    # Angles are (row, row / 10, col, col / 10), written twice; patch 5 is row 1, column 2.
    angles = torch.tensor([1.0, 0.1, 2.0, 0.2])
    torch.testing.assert_close(cos[0, 5], torch.cat([angles, angles]).cos())


def test_a_grid_is_in_reading_order():
    row_cos = rotation_2d(2, 3, 4, 1e4)[0][0, :, 0]
    col_cos = rotation_2d(2, 3, 4, 1e4)[0][0, :, 1]
    torch.testing.assert_close(row_cos, torch.tensor([0.0, 0, 0, 1, 1, 1]).cos())
    torch.testing.assert_close(col_cos, torch.tensor([0.0, 1, 2, 0, 1, 2]).cos())


def test_a_grid_needs_head_dims_in_fours():
    with pytest.raises(ConfigError, match="in fours, got 6"):
        rotation_2d(2, 2, 6, 1e4)


def test_equal_positions_on_all_axes_are_plain_positions():
    ids = positions(0, 5, 9)
    plain = rotation_1d(ids, 16, 1e4)
    for ours, theirs in zip(
        rotation_mrope(ids.expand(3, 1, 3), 16, 1e4, (2, 3, 3)), plain, strict=True
    ):
        assert torch.equal(ours, theirs)


def test_each_axis_turns_its_own_frequencies():
    ids = torch.tensor([3, 5, 7]).reshape(3, 1, 1)
    cos, sin = rotation_mrope(ids, 8, 16.0, (1, 2, 1))
    # frequencies 1, 1/2, 1/4, 1/8
    angles = torch.tensor([3 * 1, 5 / 2, 5 / 4, 7 / 8])
    torch.testing.assert_close(cos[0, 0], angles.repeat(2).cos())
    torch.testing.assert_close(sin[0, 0], angles.repeat(2).sin())


def test_sections_that_do_not_fill_the_head_are_refused():
    with pytest.raises(ConfigError, match="add up to 8 frequencies, a head_dim of 8 has 4"):
        rotation_mrope(torch.zeros(3, 1, 1, dtype=torch.long), 8, 1e4, (2, 3, 3))


def test_text_and_a_picture_are_numbered_as_in_the_worked_example():
    # two words, vision_start, a 2 x 3 picture, vision_end, two words
    assert multimodal_positions(12, [(3, 1, 2, 3)]).tolist() == [
        [0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7, 8],
        [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7, 8],
        [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8],
    ]


def test_text_after_a_long_video_goes_on_after_its_last_frame():
    # T=4, H=1, W=2 at position 2: time reaches 5, so the text goes on at 6
    # (transformers 5.23 forgets the frames and says 4).
    assert multimodal_positions(11, [(2, 4, 1, 2)]).tolist() == [
        [0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6],
        [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 6],
        [0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 6],
    ]


def test_pictures_may_open_close_and_follow_each_other():
    assert multimodal_positions(7, [(0, 1, 1, 2), (2, 1, 3, 1), (6, 1, 1, 1)]).tolist() == [
        [0, 0, 2, 2, 2, 5, 6],
        [0, 0, 2, 3, 4, 5, 6],
        [0, 1, 2, 2, 2, 5, 6],
    ]


def test_text_alone_counts_up():
    assert multimodal_positions(3, []).tolist() == [[0, 1, 2]] * 3


@pytest.mark.parametrize("blocks", [[(2, 1, 2, 3)], [(0, 1, 2, 2), (3, 1, 1, 1)]])
def test_a_block_that_does_not_fit_is_refused(blocks):
    with pytest.raises(ShapeError, match="does not fit between token"):
        multimodal_positions(7, blocks)


def test_time_counts_seconds_where_steps_say_so():
    # Slices 2.5 positions apart: 0, 2, 5; the text goes on from the largest id plus one.
    assert multimodal_positions(8, [(1, 3, 1, 2)], [2.5]).tolist() == [
        [0, 1, 1, 3, 3, 6, 6, 7],
        [0, 1, 1, 1, 1, 1, 1, 7],
        [0, 1, 2, 1, 2, 1, 2, 7],
    ]
    assert multimodal_positions(8, [(1, 3, 1, 2)], [1.0]).equal(
        multimodal_positions(8, [(1, 3, 1, 2)])
    )
