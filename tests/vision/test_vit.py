"""What is particular to the vision transformer; the promises it shares are in `test_contract`."""

from dataclasses import replace

import pytest
import torch

from triptych.errors import ConfigError, ShapeError
from triptych.shapes import Grid
from triptych.vision import (
    ViTConfig,
    clip_vit_l14_debug,
    intern_vit_300m_debug,
    penultimate,
    qwen2_vl_vit,
    qwen2_vl_vit_debug,
    siglip_so400m_14_384,
    vit_l16,
    vit_l16_debug,
)
from triptych.vision.vit import resize_positions

PLAIN = {"image_size": 32, "patch_size": 8, "dim": 32, "depth": 3, "num_heads": 2, "ffn_dim": 48}
ROTARY = PLAIN | {"image_size": None, "positions": "rotary"}


def built(config, seed=0):
    torch.manual_seed(seed)
    return config.build().eval()


def pictures(height=32, width=32, *, seed=1):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_grids_of_the_published_models():
    assert vit_l16().grid(224, 224) == Grid(14, 14, prefix=1)
    assert siglip_so400m_14_384().grid(384, 384) == Grid(27, 27)
    assert qwen2_vl_vit().grid(1008, 700) == Grid(72, 50)


def test_a_picture_of_another_size_than_the_learned_one_is_refused():
    with pytest.raises(ShapeError, match=r"336 x 224.*learned at 224 x 224.*interpolate_positions"):
        vit_l16().grid(336, 224)


@pytest.mark.parametrize(("height", "width"), [(36, 32), (32, 36), (4, 32)])
@pytest.mark.parametrize("make", [qwen2_vl_vit_debug, intern_vit_300m_debug])
def test_broken_patches_are_refused_with_the_nearest_size(make, height, width):
    with pytest.raises(ShapeError, match=r"patches of 8 x 8; resize it to (32|8) x 32"):
        make().grid(height, width)


def test_the_unseen_rim_changes_nothing():
    config = ViTConfig(**PLAIN | {"image_size": 35})
    vision, pixels = built(config), pictures(35, 35)
    changed = pixels.clone()
    changed[..., 32:, :] += 5
    changed[..., :, 32:] += 5
    torch.testing.assert_close(vision(changed).cells, vision(pixels).cells)
    with pytest.raises(ShapeError):
        config.grid(36, 36)


def test_interpolation_leaves_the_learned_size_as_it_is():
    positions = torch.randn(1 + 16, 8)
    learned = Grid(4, 4, prefix=1)
    assert resize_positions(positions, learned, Grid(4, 4, prefix=1)) is positions


def test_interpolation_keeps_directions_and_the_class_token():
    # Learned positions that say which row and which column they are.
    rows, cols = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    cells = torch.stack([rows, cols], dim=-1).flatten(0, 1)
    positions = torch.cat([torch.tensor([[9.0, 9.0]]), cells])

    wide = resize_positions(positions, Grid(4, 4, prefix=1), Grid(4, 8))

    assert wide[0].tolist() == [9, 9]
    by_row, by_col = wide[1:].reshape(4, 8, 2).unbind(-1)
    torch.testing.assert_close(by_row[:, 3], torch.arange(4.0), atol=1e-5, rtol=0)
    # Patch centres of eight columns, in units of the four learned ones: -0.25, 0.25, 0.75 ...
    # The cubic kernel of torch bends a straight line by up to 0.082 of a patch.
    torch.testing.assert_close(
        by_col[1, 2:6], torch.tensor([0.75, 1.25, 1.75, 2.25]), atol=0.09, rtol=0
    )


def test_reads_other_sizes_where_interpolation_is_allowed():
    vision = built(intern_vit_300m_debug())
    assert vision(pictures(40, 64)).grid == Grid(5, 8)


def test_a_feature_layer_reads_that_block_and_builds_none_behind():
    config = clip_vit_l14_debug()
    whole, ours = built(config), built(penultimate(config))
    missing = ours.load_state_dict(whole.state_dict(), strict=False)
    assert not missing.missing_keys
    assert {key.split(".")[0] for key in missing.unexpected_keys} == {"blocks", "final_norm"}
    assert {key[:9] for key in missing.unexpected_keys} == {"blocks.2.", "final_nor"}

    named = whole.intermediates(pictures())
    features = ours(pictures())
    torch.testing.assert_close(features.cells, named["blocks.1"])
    assert features.prefix.shape == (2, 0, 32)


def test_the_class_token_stands_in_front():
    vision = built(vit_l16_debug())
    features, named = vision(pictures()), vision.intermediates(pictures())
    torch.testing.assert_close(features.prefix, named["final_norm.prefix"])
    # Before any attention it is the same for every picture; patches are not.
    embedded = named["embedding.prefix"]
    torch.testing.assert_close(embedded[0], embedded[1])
    torch.testing.assert_close(embedded[0, 0], vision.class_token + vision.positions[0])


def test_the_class_token_informs_the_patches_even_where_it_is_dropped():
    vision = built(penultimate(clip_vit_l14_debug()))
    before = vision(pictures()).cells
    torch.nn.init.constant_(vision.class_token, 3.0)
    vision.class_token.data[0] = -3
    assert (vision(pictures()).cells - before).abs().max() > 1e-4


def test_rotary_positions_tell_the_order_of_patches():
    vision = built(qwen2_vl_vit_debug())
    pixels = pictures(16, 24)
    flipped = vision(pixels.unflatten(-1, (3, 8)).flip(-2).flatten(-2)).cells.flip(2)
    assert (flipped - vision(pixels).cells).abs().max() > 1e-4


def test_two_frames_differ_from_a_still_and_order_matters():
    vision = built(qwen2_vl_vit_debug())
    first, second = pictures(), pictures(seed=2)
    still = vision(first).cells
    torch.testing.assert_close(
        vision(torch.stack([first, first], dim=1)).cells, still, atol=1e-5, rtol=0
    )
    forward, backward = torch.stack([first, second], dim=1), torch.stack([second, first], dim=1)
    assert (vision(forward).cells - vision(backward).cells).abs().max() > 1e-3


@pytest.mark.parametrize("make", [vit_l16_debug, qwen2_vl_vit_debug])
def test_a_wrong_number_of_frames_is_refused(make):
    config = make()
    with pytest.raises(ShapeError, match=f"spans {config.temporal_patch_size} frames"):
        built(config)(torch.zeros(1, 3, 3, 32, 32))


def test_one_frame_for_an_encoder_without_frames_is_refused():
    with pytest.raises(ShapeError, match="image axis"):
        built(vit_l16_debug())(torch.zeros(1, 1, 3, 32, 32))


def test_layer_scale_at_zero_leaves_the_embedding():
    vision = built(replace(intern_vit_300m_debug(), layer_scale=0.0))
    named = vision.intermediates(pictures())
    torch.testing.assert_close(named["blocks.2"], named["embedding"])


def test_registers_are_seen_by_patches_and_not_handed_on():
    config = replace(clip_vit_l14_debug(), num_registers=3)
    vision = built(config)
    features = vision(pictures())
    assert features.grid == config.grid(32, 32) and features.prefix.shape[1] == 1
    assert vision.intermediates(pictures())["blocks.0.prefix"].shape[1] == 4
    with torch.no_grad():
        vision.registers.normal_()
    assert (vision(pictures()).cells - features.cells).abs().max() > 1e-3


def test_smoothing_averages_all_rows_that_become_one():
    # Eight rows become two, the first in the middle of rows 0 to 3. Plain cubics look at these
    # four alone and subtract the outer ones; smoothing adds up what the new row covers.
    table = torch.zeros(8, 8)
    table[0] = 1.0
    plain, smoothed = (
        resize_positions(table.reshape(64, 1), Grid(8, 8), Grid(2, 2), smooth=smooth).flatten()
        for smooth in (False, True)
    )
    assert plain[0] < 0 < smoothed[0] < 0.3


def test_dropout_acts_in_training_only():
    vision = built(ViTConfig(**PLAIN, dropout=0.5))
    once = vision(pictures()).cells
    torch.testing.assert_close(vision(pictures()).cells, once)
    assert (vision.train()(pictures()).cells - once).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (PLAIN | {"depth": 0}, "depth must be at least 1"),
        (PLAIN | {"patch_size": 0}, "patch_size must be at least 1"),
        (PLAIN | {"num_heads": 3}, "32 does not divide among 3 heads"),
        (PLAIN | {"feature_layer": 0}, "-1 to -3, got 0"),
        (PLAIN | {"feature_layer": -4}, "-1 to -3, got -4"),
        (PLAIN | {"keep_class_token": True}, "needs class_token=True"),
        (PLAIN | {"num_registers": 4}, "above 0 only with class_token=True; got 4"),
        (PLAIN | {"image_size": None}, "learned positions need an image_size"),
        (PLAIN | {"image_size": 7}, "at least one patch"),
        (ROTARY | {"image_size": 32}, "leave out image_size"),
        (ROTARY | {"class_token": True}, "no row and column"),
        (ROTARY | {"interpolate_positions": True}, "leave out"),
        (ROTARY | {"num_heads": 16}, r"divide by 4; it is 32 / 16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_impossible_configurations_are_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        ViTConfig(**wrong)
