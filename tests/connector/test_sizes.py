"""Published sizes, counted without memory."""

import pytest
import torch

from triptych.connector import (
    ConnectorConfig,
    MergerConfig,
    PixelShuffleConfig,
    attention_pool_qwen_vl,
    mlp_llava_1_5,
    mlp_minivlm,
    qformer_blip2,
    resampler_flamingo,
    resampler_idefics,
    resampler_open_flamingo,
)
from triptych.shapes import Grid


def count(
    config: ConnectorConfig, vision_dim: int, language_dim: int, leave_out: tuple[str, ...] = ()
) -> int:
    """Parameters whose names do not start with any of `leave_out`."""
    with torch.device("meta"):
        connector = config.build(vision_dim=vision_dim, language_dim=language_dim)
    return sum(
        parameter.numel()
        for name, parameter in connector.named_parameters()
        if not name.startswith(leave_out)
    )


def test_minivlm():
    # Linear 1024 -> 960, layer norm, Linear 960 -> 960; the tutorial prints the same.
    assert 984_000 + 1_920 + 922_560 == 1_908_480
    assert count(mlp_minivlm(), 1024, 960) == 1_908_480


def test_llava_1_5_7b():
    assert count(mlp_llava_1_5(), 1024, 4096) == 20_979_712


def test_qwen2_vl_merger():
    # 34.1 and 44.6 million in the published 2B and 7B models.
    assert count(MergerConfig(), 1280, 1536) == 34_087_936
    assert count(MergerConfig(), 1280, 3584) == 44_575_744


def test_internvl2_8b_pixel_shuffle():
    norm, up, down = 2 * 4096, 4096 * 4096 + 4096, 4096 * 4096 + 4096
    assert count(PixelShuffleConfig(), 1024, 4096) == norm + up + down


@pytest.mark.parametrize(("text", "expected"), [(False, 105_137_664), (True, 185_659_392)])
def test_blip2_qformer(text: bool, expected: int):
    # As the reference counts it: without the queries and the projection to the language model.
    config = qformer_blip2(text=text)
    assert count(config, 1408, 2560, ("queries", "language_projection")) == expected
    assert count(config, 1408, 2560) == expected + 32 * 768 + 768 * 2560 + 2560


def test_qwen_vl_pool():
    # queries, kv_proj, ln_q + ln_kv + ln_post, in_proj and out_proj with offsets, proj
    width = 4096
    expected = 256 * width + 1664 * width + 6 * width + 4 * (width * width + width) + width * width
    assert count(attention_pool_qwen_vl(), 1664, width) == expected


@pytest.mark.parametrize(
    ("config", "width", "heads_width"),
    [(resampler_flamingo(), 1536, 1536), (resampler_open_flamingo(), 1024, 512)],
    ids=["flamingo", "open-flamingo"],
)
def test_resamplers(config: ConnectorConfig, width: int, heads_width: int):
    layer = 4 * width * heads_width + 8 * width * width + 3 * 2 * width
    frames = 8 if config == resampler_flamingo() else 0
    expected = 6 * layer + 64 * width + frames * width + 2 * width
    assert count(config, width, 2048) == expected


def test_idefics_norms_the_queries_and_keys_of_a_head():
    plain = resampler_idefics()
    without = type(plain)(activation="relu", project=False)
    assert count(plain, 1280, 4096) - count(without, 1280, 4096) == 6 * 2 * 2 * 96


def test_published_models_make_the_published_number_of_tokens():
    assert mlp_minivlm().num_tokens(Grid(14, 14, prefix=1)) == 197
    assert mlp_llava_1_5().num_tokens(Grid(24, 24)) == 576
    assert MergerConfig().num_tokens(Grid(72, 50)) == 900
    assert PixelShuffleConfig().num_tokens(Grid(32, 32)) == 256
    assert qformer_blip2().num_tokens(Grid(16, 16, prefix=1)) == 32
    assert resampler_flamingo().num_tokens(Grid(16, 16)) == 64
    assert attention_pool_qwen_vl().num_tokens(Grid(32, 32)) == 256
