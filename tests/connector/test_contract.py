"""What every connector promises, whichever one it is."""

from typing import get_args

import pytest
import torch
from torch import nn

from triptych import connector as panel
from triptych.config import from_dict, to_dict
from triptych.connector import (
    AnyResConfig,
    AttentionPoolConfig,
    Connector,
    ConnectorConfig,
    IdentityConfig,
    LatentQueriesConfig,
    LinearConfig,
    MergerConfig,
    MLPConfig,
    PixelShuffleConfig,
    QFormerConfig,
    ResamplerConfig,
    attention_pool_coca,
)
from triptych.errors import ShapeError
from triptych.shapes import Grid, VisionFeatures

VISION_DIM, LANGUAGE_DIM = 6, 12

TINY_RESAMPLER = ResamplerConfig(num_latents=5, depth=2, num_heads=2, head_dim=4)
CONFIGS = {
    "identity": IdentityConfig(),
    "linear": LinearConfig(),
    "linear-no-bias": LinearConfig(bias=False),
    "linear-folded": LinearConfig(bias=False, factor=2),
    "linear-norm": LinearConfig(norm_eps=1e-5),
    "mlp": MLPConfig(),
    "anyres": AnyResConfig(),
    "mlp-norm": MLPConfig(norm=True),
    "merger": MergerConfig(),
    "merger-rms": MergerConfig(norm="rms"),
    "pixel-shuffle": PixelShuffleConfig(),
    "qformer": QFormerConfig(num_queries=5, dim=8, depth=3, num_heads=2, ffn_dim=16),
    "resampler": TINY_RESAMPLER,
    "resampler-flamingo": ResamplerConfig(
        num_latents=5, depth=2, num_heads=2, head_dim=4, max_frames=3, project=False
    ),
    "resampler-idefics": ResamplerConfig(
        num_latents=5, depth=2, num_heads=2, head_dim=4, activation="relu", qk_norm=True
    ),
    "attention-pool": AttentionPoolConfig(query_grid=(2, 3), num_heads=2),
    "attention-pool-coca": attention_pool_coca(num_queries=5, num_heads=2),
    "latent-queries": LatentQueriesConfig(num_queries=5, num_heads=2),
}
FOLDING = ("linear-folded", "merger", "merger-rms", "pixel-shuffle")
"""These refuse class tokens; all others read them."""


def vision_dim(name: str) -> int:
    """An identity connector exists between equal widths only."""
    return LANGUAGE_DIM if name == "identity" else VISION_DIM


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return CONFIGS[name].build(vision_dim=vision_dim(name), language_dim=LANGUAGE_DIM)


def features(name: str, images: int, grid: Grid) -> VisionFeatures:
    dim = vision_dim(name)
    return VisionFeatures(
        torch.randn(images, grid.rows, grid.cols, dim), torch.randn(images, grid.prefix, dim)
    )


def cast(given: VisionFeatures, dtype: torch.dtype) -> VisionFeatures:
    return VisionFeatures(given.cells.to(dtype), given.prefix.to(dtype))


def grids(name: str) -> list[Grid]:
    plain = [Grid(4, 4), Grid(8, 4), Grid(2, 6)]
    return plain if name in FOLDING else [*plain, Grid(3, 5, prefix=1), Grid(2, 2, prefix=2)]


every_connector = pytest.mark.parametrize("name", CONFIGS)


def test_every_connector_is_here():
    assert {type(config) for config in CONFIGS.values()} == set(get_args(ConnectorConfig))


def test_the_public_names_are_exact():
    # An alias of types belongs to no module, so the union is named by hand.
    public = {
        name
        for name, value in vars(panel).items()
        if getattr(value, "__module__", "").startswith("triptych.connector")
    }
    assert set(panel.__all__) == public | {"ConnectorConfig"}


@every_connector
def test_is_a_connector(name: str):
    assert isinstance(build(name), Connector)


@every_connector
def test_makes_exactly_the_tokens_it_promises(name: str):
    connector = build(name)
    for grid in grids(name):
        tokens = connector(features(name, 3, grid))
        assert tokens.shape == (3, connector.num_tokens(grid), connector.out_dim)
        assert connector.num_tokens(grid) == CONFIGS[name].num_tokens(grid)


@every_connector
def test_tokens_are_as_wide_as_the_language_model_unless_left_out(name: str):
    projects = getattr(CONFIGS[name], "project", True)
    assert build(name).out_dim == (LANGUAGE_DIM if projects else VISION_DIM)


@every_connector
def test_the_token_grid_has_as_many_places_as_there_are_tokens(name: str):
    for grid in grids(name):
        layout = CONFIGS[name].token_grid(grid)
        assert layout is None or layout.num_tokens == CONFIGS[name].num_tokens(grid)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in FOLDING])
def test_class_tokens_are_read(name: str):
    connector = build(name)
    given = features(name, 2, Grid(4, 4, prefix=1))
    other = VisionFeatures(given.cells, torch.randn_like(given.prefix))
    assert not torch.allclose(connector(given), connector(other))


@every_connector
def test_keeps_the_dtype_it_is_given(name: str):
    connector, given = build(name), features(name, 1, Grid(4, 4))
    assert connector(given).dtype == torch.float32
    tokens = connector.bfloat16()(cast(given, torch.bfloat16))
    assert tokens.dtype == torch.bfloat16
    assert tokens.isfinite().all()


@every_connector
def test_images_do_not_mix(name: str):
    connector, together = build(name), features(name, 3, Grid(4, 4))
    alone = VisionFeatures(together.cells[1:2], together.prefix[1:2])
    torch.testing.assert_close(connector(together)[1:2], connector(alone))


@every_connector
def test_gradients_reach_every_parameter_and_the_encoder(name: str):
    connector, given = build(name), features(name, 2, Grid(4, 4))
    given.cells.requires_grad_()
    # A random weighting: the plain sum of squares after a layer norm is constant.
    tokens = connector(given)
    (tokens * torch.randn_like(tokens)).sum().backward()
    for tensor_name, tensor in [("features", given.cells), *connector.named_parameters()]:
        if tensor_name == "newline":
            continue  # only stands between tiles, see test_anyres
        assert tensor.grad is not None, tensor_name
        # Softmax ignores what is added to all keys alike, so a key bias never learns.
        if not tensor_name.endswith(("key.bias", "key_norm.bias")):
            assert tensor.grad.abs().sum() > 1e-6, tensor_name


@every_connector
def test_the_order_of_the_patches_counts_where_tokens_lie_on_a_grid(name: str):
    connector, given = build(name), features(name, 1, Grid(4, 4))
    flipped = VisionFeatures(given.cells.flip(1), given.prefix)
    changed = not torch.allclose(connector(given), connector(flipped), atol=1e-6)
    # Queries see a set, but for those of Qwen-VL, whose pool adds positions.
    sees_a_set = name.startswith(("qformer", "resampler", "latent")) or name.endswith("coca")
    assert changed != sees_a_set


@every_connector
def test_builds_without_memory_and_keeps_nothing_but_parameters(name: str):
    with torch.device("meta"):
        connector = build(name)
    assert all(parameter.is_meta for parameter in connector.parameters())
    # A buffer computed at build time would be lost when weights are loaded into a meta model.
    assert list(connector.buffers()) == []


@every_connector
def test_a_meta_model_filled_with_weights_is_the_model(name: str):
    real, given = build(name), features(name, 2, Grid(4, 4))
    with torch.device("meta"):
        empty = build(name)
    empty.load_state_dict(real.state_dict(), assign=True)
    torch.testing.assert_close(empty(given), real(given), rtol=0, atol=0)


@every_connector
def test_the_config_survives_a_file(name: str):
    config = CONFIGS[name]
    assert from_dict(type(config), to_dict(config)) == config


@pytest.mark.parametrize("name", FOLDING)
def test_class_tokens_are_refused_where_they_cannot_fold(name: str):
    with pytest.raises(ShapeError, match=r"1 class token.*keep_class_token=False"):
        build(name)(features(name, 1, Grid(4, 4, prefix=1)))
    with pytest.raises(ShapeError, match="1 class token"):
        CONFIGS[name].num_tokens(Grid(4, 4, prefix=1))


@pytest.mark.parametrize("grid", [Grid(6, 4), Grid(4, 6), Grid(5, 5)], ids=str)
@pytest.mark.parametrize("config", [MergerConfig(factor=4), PixelShuffleConfig(factor=4)], ids=repr)
def test_a_grid_that_does_not_fold_is_refused(config: ConnectorConfig, grid: Grid):
    connector = config.build(vision_dim=VISION_DIM, language_dim=LANGUAGE_DIM)
    message = f"{grid.rows} x {grid.cols} grid does not fold by 4"
    with pytest.raises(ShapeError, match=message):
        connector.num_tokens(grid)
    with pytest.raises(ShapeError, match=message):
        connector(features("merger", 1, grid))
