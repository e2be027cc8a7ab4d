"""Published decoders have exactly the parameters that were published; nothing is allocated."""

import pytest
import torch

import triptych.language
from triptych.errors import ConfigError
from triptych.language import (
    RotaryConfig,
    llama_7b,
    mistral_7b,
    opt_2_7b,
    qwen2_1_5b,
    qwen2_7b,
    qwen2_72b,
    smollm_360m,
    with_mrope,
)

PUBLISHED = {
    smollm_360m: 361_821_120,
    llama_7b: 6_738_415_616,
    mistral_7b: 7_241_732_096,
    qwen2_1_5b: 1_543_714_304,
    qwen2_7b: 7_615_616_512,
    qwen2_72b: 72_706_203_648,
    opt_2_7b: 2_651_596_800,
}


@pytest.mark.parametrize("size", PUBLISHED, ids=lambda size: size.__name__)
def test_published_sizes_have_their_published_parameters(size):
    with torch.device("meta"):
        decoder = size().build()
    assert sum(parameter.numel() for parameter in decoder.parameters()) == PUBLISHED[size]


def test_m_rope_changes_the_positions_only():
    plain = qwen2_7b()
    config = with_mrope(plain, (16, 24, 24))
    assert config.positions == RotaryConfig(theta=1_000_000.0, mrope_sections=(16, 24, 24))
    assert config.dim == plain.dim and config.tied == plain.tied


def test_learned_positions_do_not_turn():
    with pytest.raises(ConfigError, match="has learned ones"):
        with_mrope(opt_2_7b(), (16, 24, 24))


def test_the_public_names_exist():
    for name in triptych.language.__all__:
        assert hasattr(triptych.language, name), name
