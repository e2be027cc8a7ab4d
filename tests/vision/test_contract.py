"""What every vision panel promises, whichever one it is."""

from typing import get_args

import pytest
import torch

import triptych.vision
from triptych.config import from_dict, to_dict
from triptych.errors import ShapeError
from triptych.vision import (
    Vision,
    VisionConfig,
    clip_vit_l14_debug,
    eva_vit_g14_debug,
    intern_vit_6b_debug,
    intern_vit_300m_debug,
    mobilenet_v2_debug,
    penultimate,
    qwen2_5_vl_vit_debug,
    qwen2_vl_vit_debug,
    siglip_base_16_224_debug,
    siglip_so400m_14_384_debug,
    vit_l16_debug,
)

CONFIGS = {
    "vit_l16": vit_l16_debug(),
    "clip": clip_vit_l14_debug(),
    "clip, penultimate": penultimate(clip_vit_l14_debug()),
    "eva": eva_vit_g14_debug(),
    "siglip_base": siglip_base_16_224_debug(),
    "siglip_so400m": siglip_so400m_14_384_debug(),
    "intern_300m": intern_vit_300m_debug(),
    "intern_6b": intern_vit_6b_debug(),
    "qwen2_vl": qwen2_vl_vit_debug(),
    "qwen2_5_vl": qwen2_5_vl_vit_debug(),
    "mobilenet_v2": mobilenet_v2_debug(),
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request):
    return request.param


@pytest.fixture
def vision(config):
    torch.manual_seed(0)
    return config.build().eval()


def pictures(config, num_images=2):
    """Random pictures of a size the panel accepts, not square where it has a choice."""
    size = getattr(config, "image_size", None)
    height, width = (size, size) if size else (2 * config.patch_size, 4 * config.patch_size)
    return torch.randn(num_images, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_every_kind_of_config_is_here():
    assert {type(config) for config in CONFIGS.values()} == set(get_args(VisionConfig))


def test_every_miniature_is_here():
    names = {name for name in triptych.vision.__all__ if name.endswith("_debug")}
    assert {getattr(triptych.vision, name)() for name in names} <= set(CONFIGS.values())


def test_fulfils_the_protocol(config, vision):
    assert isinstance(vision, Vision)
    assert vision.config == config
    assert vision.dim == config.dim


def test_makes_the_grid_it_promises(config, vision):
    pixels = pictures(config)
    features = vision(pixels)
    grid = config.grid(*pixels.shape[-2:])
    assert features.grid == grid
    assert features.cells.shape == (2, grid.rows, grid.cols, config.dim)
    assert features.prefix.shape == (2, grid.prefix, config.dim)


def test_pictures_do_not_mix(config, vision):
    first, second = pictures(config).split(1)
    together, alone = vision(torch.cat([first, second])), vision(second)
    torch.testing.assert_close(together.sequence()[1:], alone.sequence(), atol=1e-5, rtol=0)


def test_cells_lie_as_their_pixels_do(config, vision):
    # Every cell sees the whole picture, so what changes on one side shows most on that side.
    pixels = pictures(config)
    right, below = pixels.clone(), pixels.clone()
    right[..., pixels.shape[-1] // 2 :] += 3
    below[..., pixels.shape[-2] // 2 :, :] += 3
    cells = vision(pixels).cells
    by_col = (vision(right).cells - cells).norm(dim=-1).mean(dim=(0, 1))
    by_row = (vision(below).cells - cells).norm(dim=-1).mean(dim=(0, 2))
    for difference in (by_col, by_row):
        first, last = difference.tensor_split(2)
        assert last.mean() > 1.1 * first.mean(), difference


def test_keeps_the_dtype_it_was_built_in(config, vision):
    assert vision(pictures(config)).cells.dtype == torch.float32
    features = vision.bfloat16()(pictures(config))  # pictures come as float32, whatever the model
    assert features.cells.dtype == features.prefix.dtype == torch.bfloat16


def test_gradients_reach_every_parameter_and_the_pixels(config, vision):
    pixels = pictures(config).requires_grad_()
    torch.manual_seed(2)
    sequence = vision(pixels).sequence()
    (sequence * torch.randn_like(sequence)).sum().backward()
    for name, tensor in [("pixels", pixels), *vision.named_parameters()]:
        assert tensor.grad is not None, name
        # A bias on all keys adds the same to every score of a query, which softmax ignores; only
        # rotation makes it matter.
        if not name.endswith("key.bias") or config == CONFIGS["qwen2_vl"]:
            assert tensor.grad.abs().sum() > 1e-6, name


def test_gradients_reach_the_pixels_of_every_cell(config, vision):
    pixels = pictures(config).requires_grad_()
    vision(pixels).cells.square().sum().backward()
    grid, side = config.grid(*pixels.shape[-2:]), config.patch_size
    seen = pixels.grad[..., : grid.rows * side, : grid.cols * side]
    assert (seen.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).abs().sum((1, 3, 5)) > 0).all()


def test_builds_on_the_meta_device(config):
    with torch.device("meta"):
        vision = config.build()
        features = vision(torch.empty_like(pictures(config), device="meta"))
    assert {parameter.device.type for parameter in vision.parameters()} == {"meta"}
    assert features.grid == config.grid(*pictures(config).shape[-2:])


def test_intermediates_lie_on_the_grid_and_end_in_the_output(config, vision):
    with torch.no_grad():
        features = vision(pictures(config))
        named = vision.intermediates(pictures(config))
    cells = [value for name, value in named.items() if not name.endswith(".prefix")]
    assert len(cells) >= 3
    torch.testing.assert_close(cells[-1], features.cells)
    prefixes = [value for name, value in named.items() if name.endswith(".prefix")]
    if features.grid.prefix:
        torch.testing.assert_close(prefixes[-1], features.prefix)
        assert len(prefixes) == len(cells)


def test_a_picture_with_too_few_pixels_is_refused(config):
    with pytest.raises(ShapeError, match="resize it"):
        config.grid(config.patch_size - 1, config.patch_size)


def test_other_channels_are_refused(config, vision):
    with pytest.raises(ShapeError, match="3 channels, got 4"):
        vision(torch.cat([pictures(config), pictures(config)[:, :1]], dim=1))


def test_the_config_survives_a_file(config):
    assert from_dict(type(config), to_dict(config)) == config


def test_the_state_is_loadable_and_has_readable_names(config, vision):
    state = vision.state_dict()
    assert all(part.isidentifier() or part.isdigit() for key in state for part in key.split("."))
    torch.manual_seed(3)
    other = config.build().eval()
    other.load_state_dict(state)
    torch.testing.assert_close(
        other(pictures(config)).sequence(), vision(pictures(config)).sequence()
    )


def test_only_public_names_are_exported():
    assert sorted(triptych.vision.__all__, key=str.lower) == sorted(
        (
            name
            for name, value in vars(triptych.vision).items()
            if name[0] != "_"
            and not isinstance(value, type(pytest))
            and name not in {"Pixels", "Protocol", "Tensor", "VisionFeatures", "runtime_checkable"}
        ),
        key=str.lower,
    )
