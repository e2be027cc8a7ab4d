"""Qwen2.5-VL, PaliGemma, GIT and Kosmos-2: settings as on the Hub are the sizes we know.

Settings here are as on the Hub, where files leave out what has the value of its class.
"""

from dataclasses import replace
from typing import Any

import pytest

from triptych.architectures import find_architecture
from triptych.errors import ConfigError
from triptych.language import gemma_2b, gemma_7b
from triptych.published.families.git import GIT_FAMILY
from triptych.published.families.git import read_model as read_git
from triptych.published.families.kosmos2 import KOSMOS2_FAMILY
from triptych.published.families.kosmos2 import read_model as read_kosmos2
from triptych.published.families.paligemma import PALIGEMMA_FAMILY
from triptych.published.families.paligemma import read_model as read_paligemma
from triptych.published.families.qwen2_5_vl import QWEN2_5_VL_FAMILY
from triptych.published.families.qwen2_5_vl_settings import read_settings
from triptych.published.families.vlms import FAMILIES
from triptych.published.language import read_language
from triptych.published.settings import Section

CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
QWEN_PIXELS = {
    "min_pixels": 3136,
    "max_pixels": 12_845_056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_processor_type": "Qwen2VLImageProcessor",
    "processor_class": "Qwen2_5_VLProcessor",
    **CLIP_COLOURS,
}


def qwen(text: dict[str, Any], vision: dict[str, Any]) -> dict[str, Any]:
    return {
        "model_type": "qwen2_5_vl",
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "max_position_embeddings": 128_000,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1_000_000.0,
        "use_sliding_window": False,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {
            "depth": 32,
            "hidden_act": "silu",
            "hidden_size": 1280,
            "num_heads": 16,
            "in_chans": 3,
            "out_hidden_size": text["hidden_size"],
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "window_size": 112,
            "fullatt_block_indexes": [7, 15, 23, 31],
            "tokens_per_second": 2,
            "temporal_patch_size": 2,
            **vision,
        },
        **text,
    }


QWENS = {
    "qwen2_5_vl_3b": qwen(
        {
            "hidden_size": 2048,
            "intermediate_size": 11_008,
            "num_attention_heads": 16,
            "num_hidden_layers": 36,
            "num_key_value_heads": 2,
            "tie_word_embeddings": True,
            "vocab_size": 151_936,
        },
        {"intermediate_size": 3420},
    ),
    "qwen2_5_vl_7b": qwen(
        {
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_attention_heads": 28,
            "num_hidden_layers": 28,
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
            "vocab_size": 152_064,
        },
        {"intermediate_size": 3420},
    ),
    "qwen2_5_vl_72b": qwen(
        {
            "hidden_size": 8192,
            "intermediate_size": 29_568,
            "num_attention_heads": 64,
            "num_hidden_layers": 80,
            "num_key_value_heads": 8,
            "tie_word_embeddings": False,
            "vocab_size": 152_064,
        },
        {"intermediate_size": 3456},
    ),
}


@pytest.mark.parametrize("name", QWENS)
def test_qwen2_5_vl_is_the_one_on_the_hub(name):
    model, resize = read_settings(QWENS[name], QWEN_PIXELS)
    known = find_architecture(name)
    assert model == known.model and resize == known.processor.resize


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_act", "tanh"), ("out_hidden_size", 1), ("in_chans", 4), ("model_type", "qwen2_vl")],
)
def test_a_vision_panel_that_would_see_otherwise_is_refused(key, value):
    plain = QWENS["qwen2_5_vl_3b"]
    changed = {**plain, "vision_config": {**plain["vision_config"], key: value}}
    with pytest.raises(ConfigError, match=f"{key} is {value!r}"):
        read_settings(changed, QWEN_PIXELS)


def paligemma(side: int) -> tuple[dict[str, Any], dict[str, Any]]:
    num_tokens = (side // 14) ** 2
    vision = {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "num_image_tokens": num_tokens,
        "patch_size": 14,
        "projection_dim": 2048,
        "projector_hidden_act": "gelu_fast",
        "vision_use_head": False,
        **({} if side == 224 else {"image_size": side}),
    }
    text = {
        "hidden_size": 2048,
        "intermediate_size": 16_384,
        "model_type": "gemma",
        "num_attention_heads": 8,
        "num_hidden_layers": 18,
        "num_image_tokens": num_tokens,
        "num_key_value_heads": 1,
        "vocab_size": 257_216,
    }
    config = {
        "model_type": "paligemma",
        "bos_token_id": 2,
        "eos_token_id": 1,
        "hidden_size": 2048,
        "image_token_index": 257_152,
        "pad_token_id": 0,
        "projection_dim": 2048,
        "text_config": text,
        "vision_config": vision,
    }
    pixels = {
        "do_convert_rgb": None,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "SiglipImageProcessor",
        "image_seq_length": num_tokens,
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"height": side, "width": side},
    }
    return config, pixels


@pytest.mark.parametrize("side", [224, 448, 896])
def test_paligemma_is_the_one_on_the_hub(side):
    assert read_paligemma(*paligemma(side)) == find_architecture(f"paligemma_3b_{side}").model


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {
                "hidden_act": "gelu",
                "hidden_activation": None,
                "hidden_size": 2048,
                "intermediate_size": 16_384,
                "num_attention_heads": 8,
                "num_hidden_layers": 18,
                "num_key_value_heads": 1,
            },
            gemma_2b(),
        ),
        ({"hidden_act": "gelu_pytorch_tanh"}, gemma_7b()),
    ],
)
def test_gemma_on_the_hub_is_the_size_we_know(settings, expected):
    assert read_language(Section("config.json", {"model_type": "gemma", **settings})) == expected


CROPPED = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_resize": True,
    "resample": 3,
    "size": {"shortest_edge": 224},
    **CLIP_COLOURS,
}
GITS = {
    "git_base": {"patch_size": 16},
    "git_large": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": 14,
        "projection_dim": 512,
    },
}


@pytest.mark.parametrize("name", GITS)
def test_git_is_the_one_on_the_hub(name):
    vision = {"model_type": "git_vision_model", **GITS[name]}
    config = {"model_type": "git", "num_image_with_embedding": None, "vision_config": vision}
    assert read_git(config, CROPPED) == find_architecture(name).model


def test_kosmos2_is_the_one_on_the_hub():
    config = {
        "model_type": "kosmos-2",
        "latent_query_num": 64,
        "text_config": {"model_type": "kosmos_2_text_model"},
        "vision_config": {"model_type": "kosmos_2_vision_model"},
    }
    assert read_kosmos2(config, CROPPED) == find_architecture("kosmos2").model


@pytest.mark.parametrize(
    "family", [QWEN2_5_VL_FAMILY, PALIGEMMA_FAMILY, GIT_FAMILY, KOSMOS2_FAMILY]
)
def test_every_debug_twin_belongs_to_one_family(family):
    name = {
        "Qwen2.5-VL": "qwen2_5_vl_debug",
        "PaliGemma": "paligemma_debug",
        "GIT": "git_debug",
        "Kosmos-2": "kosmos2_debug",
    }[family.title]
    twin = find_architecture(name)
    assert [each.title for each in FAMILIES if each.covers(twin)] == [family.title]


def test_what_a_layout_cannot_say_is_refused():
    from tests.laws.debug_models import subject

    debug = subject("paligemma_debug")
    connector = replace(debug.architecture.model.connector, bias=False)
    changed = replace(
        debug.architecture, model=replace(debug.architecture.model, connector=connector)
    )
    with pytest.raises(ConfigError, match=r"cannot say model\.connector\.bias = False"):
        PALIGEMMA_FAMILY.write(changed, debug.processor.tokenizer, "float32")
