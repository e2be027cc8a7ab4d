"""Published settings: those on the Hub are the sizes we know, and what is not supported is named.

Settings here are as on the Hub, where files leave out what has the value of its class.
"""

from dataclasses import replace
from typing import Any

import pytest

from triptych.architectures import find_architecture
from triptych.errors import ConfigError
from triptych.language import (
    mistral_7b,
    qwen2_1_5b,
    qwen2_7b,
    smollm_360m,
)
from triptych.media import FixedResizeConfig, PadToSquareConfig, ShortestEdgeCropConfig
from triptych.published.families.llava_settings import read_settings, write_settings
from triptych.published.language import read_language, write_language
from triptych.published.pictures import read_resize
from triptych.published.settings import Section
from triptych.published.vision import find_vision, read_vision
from triptych.vision import (
    CLIP_MEAN,
    CLIP_STD,
    clip_vit_l14_336,
    dinov2_vit_b14,
    intern_vit_300m,
    siglip_so400m_14_384,
    vit_l16,
)

CLIP_L_336 = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "image_size": 336,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "projection_dim": 768,
    "vocab_size": 32000,
}
LLAVA = {
    "architectures": ["LlavaForConditionalGeneration"],
    "ignore_index": -100,
    "image_token_index": 32000,
    "model_type": "llava",
    "pad_token_id": 32001,
    "projector_hidden_act": "gelu",
    "text_config": {
        "max_position_embeddings": 4096,
        "model_type": "llama",
        "rms_norm_eps": 1e-05,
        "vocab_size": 32064,
    },
    "vision_config": CLIP_L_336,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
}
PIXELS: dict[str, Any] = {
    "crop_size": {"height": 336, "width": 336},
    "do_center_crop": True,
    "do_resize": True,
    "image_mean": list(CLIP_MEAN),
    "image_std": list(CLIP_STD),
    "image_processor_type": "CLIPImageProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 336},
}


def test_llava_1_5_is_the_one_on_the_hub():
    model, resize = read_settings(LLAVA, PIXELS)
    assert model == find_architecture("llava_1_5_7b").model
    assert resize == ShortestEdgeCropConfig(size=336)


def test_llava_1_5_is_written_with_its_padding_and_read_back():
    architecture = find_architecture("llava_1_5_7b")
    config, pixels = write_settings(architecture, "float16")
    assert read_settings(config, pixels) == (architecture.model, architecture.processor.resize)
    assert (config["image_seq_length"], config["vision_feature_layer"]) == (576, -2)
    assert config["vision_config"]["num_hidden_layers"] == 24  # all that are published
    assert pixels["do_pad"] and pixels["image_processor_type"] == "LlavaImageProcessor"


VISIONS = [
    (CLIP_L_336, clip_vit_l14_336()),
    ({"model_type": "clip", "vision_config": CLIP_L_336}, clip_vit_l14_336()),
    (
        {
            "model_type": "siglip",
            "vision_config": {
                "hidden_size": 1152,
                "image_size": 384,
                "intermediate_size": 4304,
                "model_type": "siglip_vision_model",
                "num_attention_heads": 16,
                "num_hidden_layers": 27,
                "patch_size": 14,
            },
        },
        siglip_so400m_14_384(),
    ),
    (
        {
            "model_type": "vit",
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
        },
        vit_l16(),
    ),
    ({"model_type": "dinov2", "image_size": 518, "patch_size": 14}, dinov2_vit_b14()),
    (
        {
            "model_type": "intern_vit_6b",
            "hidden_size": 1024,
            "image_size": 448,
            "intermediate_size": 4096,
            "norm_type": "layer_norm",
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "qk_normalization": False,
            "qkv_bias": True,
        },
        # Its own model puts out the class token too; InternVL does not read it.
        replace(intern_vit_300m(), keep_class_token=True),
    ),
]


@pytest.mark.parametrize(("settings", "expected"), VISIONS)
def test_vision_panels_on_the_hub_are_the_sizes_we_know(settings, expected):
    family, section = find_vision(Section("config.json", settings))
    ours = read_vision(family, section)
    colours = {"pixel_mean": expected.pixel_mean, "pixel_std": expected.pixel_std}
    assert replace(ours, **colours) == expected


def test_language_panels_are_written_and_read_back():
    for config in (smollm_360m(), mistral_7b(), qwen2_1_5b(), qwen2_7b()):
        assert read_language(Section("config.json", write_language(config, 2048))) == config


def test_mistral_on_the_hub_is_the_size_we_know():
    settings = {"model_type": "mistral", "rms_norm_eps": 1e-5}
    for window, changes in ((4096, {}), (None, {"sliding_window": None})):
        ours = read_language(Section("config.json", {**settings, **changes}))
        assert ours == replace(mistral_7b(), window=window)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ShortestEdgeCropConfig(size=336)),
        ({"do_pad": True}, PadToSquareConfig(size=336)),
        ({"size": 336, "crop_size": 336}, ShortestEdgeCropConfig(size=336)),
        (
            {"size": {"height": 224, "width": 200}, "resample": 2},
            FixedResizeConfig(height=224, width=200, interpolation="bilinear"),
        ),
        (
            {"size": 224, "do_center_crop": None},
            FixedResizeConfig(height=224, width=224),
        ),
    ],
)
def test_sizes_in_every_form_are_read(changes, expected):
    assert read_resize(Section("preprocessor_config.json", {**PIXELS, **changes})) == expected


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"vision_feature_layer": [-2, -5]}, r"vision_feature_layer is \[-2, -5\]; a whole number"),
        ({"vision_feature_layer": -25}, "vision_feature_layer is -25; supported: -24 or"),
        ({"vision_feature_select_strategy": "cls"}, "'cls'; supported: 'default' or 'full'"),
        ({"text_config": {"model_type": "llama", "hidden_act": 3}}, "hidden_act is 3"),
        ({"projector_hidden_act": "tanh"}, "projector_hidden_act is 'tanh'"),
        ({"multimodal_projector_bias": False}, "multimodal_projector_bias is False"),
        ({"vision_config": {"model_type": "pixtral"}}, "model_type is 'pixtral'"),
        ({"text_config": {"model_type": "phi"}}, "model_type is 'phi'; supported for language"),
        ({"vision_config": {**CLIP_L_336, "patch_size": [14, 7]}}, "the side of a square"),
    ],
)
def test_a_llava_that_is_not_supported_is_refused_by_name(changes, named):
    with pytest.raises(ConfigError, match=named):
        read_settings({**LLAVA, **changes}, PIXELS)


def test_a_siglip_whose_first_patch_would_be_dropped_is_refused():
    vision = {"model_type": "siglip_vision_model"}
    with pytest.raises(ConfigError, match="select_strategy is 'default'; supported: 'full'"):
        read_settings({**LLAVA, "vision_config": vision}, PIXELS)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"crop_size": {"height": 224, "width": 224}}, "height is 224; supported: 336"),
        ({"do_center_crop": False}, "do_center_crop is False; supported: True"),
        ({"do_normalize": False}, "do_normalize is False"),
        ({"resample": 4}, "resample is 4; supported: 0 or 1 or 2 or 3"),
        ({"rescale_factor": 1.0}, "rescale_factor is 1.0"),
    ],
)
def test_picture_settings_that_are_not_supported_are_refused_by_name(changes, named):
    with pytest.raises(ConfigError, match=named):
        read_resize(Section("preprocessor_config.json", {**PIXELS, **changes}))


@pytest.mark.parametrize(
    ("panel", "change", "named"),
    [
        ("vision", {"interpolate_positions": True}, "interpolate_positions = True"),
        ("vision", {"norm": "rms"}, "model.vision.norm = 'rms'"),
        ("vision", {"patch_bias": True}, "model.vision.patch_bias = True"),
        ("language", {"out_bias": True}, "model.language.qkv_bias = False"),
        ("language", {"qk_norm": "rms"}, "model.language.qk_norm = 'rms'"),
        ("language", {"window": 8, "qkv_bias": True}, "model.language.window = 8"),
    ],
)
def test_what_the_layout_cannot_say_is_refused_by_name(panel, change, named):
    architecture = find_architecture("llava_1_5_debug")
    changed = replace(getattr(architecture.model, panel), **change)
    architecture = replace(architecture, model=replace(architecture.model, **{panel: changed}))
    with pytest.raises(ConfigError, match=f"layout of LLaVA cannot say .*{named}"):
        write_settings(architecture, "float32")


def test_padding_in_another_colour_than_the_mean_is_refused():
    architecture = find_architecture("llava_1_5_debug")
    resize = PadToSquareConfig(size=32, colour=(0, 0, 0))
    processor = replace(architecture.processor, resize=resize)
    with pytest.raises(ConfigError, match=r"resize.colour.* = "):
        write_settings(replace(architecture, processor=processor), "float32")
