"""Families that cut pictures into tiles: settings on the Hub are the sizes we know.

Settings here are as on the Hub, where files leave out what has the value of its class.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.published.test_settings import CLIP_L_336

from triptych.architectures import debug_tokenizer, find_architecture
from triptych.errors import ConfigError, ShapeError
from triptych.processor import Processor
from triptych.published.families.idefics3 import IDEFICS3_FAMILY
from triptych.published.families.idefics3_settings import read_settings as read_idefics3
from triptych.published.families.idefics3_settings import write_settings as write_idefics3
from triptych.published.families.internvl import INTERNVL_FAMILY
from triptych.published.families.internvl_settings import TIED
from triptych.published.families.internvl_settings import read_settings as read_internvl
from triptych.published.families.internvl_settings import write_settings as write_internvl
from triptych.published.families.llava_next import LLAVA_NEXT_FAMILY
from triptych.published.families.llava_next_settings import read_settings as read_llava_next
from triptych.published.families.llava_next_settings import write_settings as write_llava_next
from triptych.published.family import PublishedFamily
from triptych.text import TileTextConfig
from triptych.vision import CLIP_MEAN, CLIP_STD
from triptych.xray.anatomy import anatomy
from triptych.xray.walk import walk


def published_total(family: PublishedFamily, name: str) -> int:
    """Parameters of all tensors of a published file."""
    model = find_architecture(name).model
    tensors = [*family.tensors(model), *family.unread(model)]
    return sum(math.prod(tensor.shape) for tensor in tensors)


# -- LLaVA-NeXT ------------------------------------------------------------------------------------

CANVASES = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
LLAVA_NEXT: dict[str, Any] = {
    "architectures": ["LlavaNextForConditionalGeneration"],
    "ignore_index": -100,
    "image_grid_pinpoints": CANVASES,
    "image_token_index": 32000,
    "model_type": "llava_next",
    "projector_hidden_act": "gelu",
    "text_config": {
        "max_position_embeddings": 32768,
        "model_type": "mistral",
        "intermediate_size": 14336,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "vocab_size": 32064,
    },
    "tie_word_embeddings": False,
    "use_image_newline_parameter": True,
    "vision_config": CLIP_L_336,
    "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default",
}
PIXELS: dict[str, Any] = {
    "aspect_ratio_setting": "anyres",
    "crop_size": {"height": 336, "width": 336},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_pad": True,
    "do_rescale": True,
    "do_resize": True,
    "image_grid_pinpoints": CANVASES,
    "image_mean": list(CLIP_MEAN),
    "image_std": list(CLIP_STD),
    "image_processor_type": "LlavaNextImageProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 336},
}


def test_llava_next_is_the_one_on_the_hub():
    architecture = find_architecture("llava_next_mistral_7b")
    model, tiling = read_llava_next(LLAVA_NEXT, PIXELS)
    assert (model, tiling) == (architecture.model, architecture.processor.resize)
    config, pixels = write_llava_next(architecture, "float16")
    assert read_llava_next(config, pixels) == (model, tiling)
    assert (config["image_grid_pinpoints"], config["image_seq_length"]) == (CANVASES, 576)


@pytest.mark.parametrize(
    ("name", "total"),
    [("llava_next_mistral_7b", 7_566_747_648), ("llava_next_vicuna_7b", 7_063_431_168)],
)
def test_llava_next_has_the_published_number_of_parameters(name, total):
    assert published_total(LLAVA_NEXT_FAMILY, name) == total
    # Ours lacks the last block and the last norm.
    unread = 4 * (1024**2 + 1024) + 2 * 4096 * 1024 + 4096 + 1024 + 3 * 2048
    counted = anatomy(find_architecture(name).model)
    assert (counted.panels["vision"], counted.total) == (303_507_456 - unread, total - unread)
    assert counted.panels["connector"] == 20_979_712 + 4096


@pytest.mark.parametrize(
    ("height", "width", "count", "num_tiles"),
    [(672, 1008, 2144, 5), (1008, 672, 2160, 5), (672, 672, 2928, 5), (336, 336, 1176, 3)],
)
def test_llava_nexts_pictures_take_the_published_number_of_tokens(height, width, count, num_tiles):
    design = find_architecture("llava_next_vicuna_7b")
    seen = walk(design.model, design.processor, height, width)
    assert (seen.num_slots, seen.num_visual_tokens, seen.num_tiles) == (count, count, num_tiles)
    shapes = {step.name: step.shape for step in seen.steps}
    assert shapes["pixels"] == (num_tiles, 3, 336, 336)
    assert shapes["connector"] == (num_tiles, 576, 4096)
    assert shapes["all tiles"] == (count, 4096)


@pytest.mark.parametrize(
    ("config", "pixels", "named"),
    [
        ({"image_grid_pinpoints": [[336, 672]]}, {}, "pinpoints of preprocessor_config.json and"),
        ({"use_image_newline_parameter": False}, {}, "use_image_newline_parameter is False"),
        ({"vision_feature_select_strategy": "full"}, {}, "'full'; supported: 'default'"),
        ({}, {"image_grid_pinpoints": [[336]]}, "a list of pairs of height and width"),
        ({}, {"image_grid_pinpoints": []}, "a list of pairs of height and width"),
        ({}, {"size": {"shortest_edge": 224}}, "shortest_edge is 224; supported: 336"),
        ({}, {"crop_size": {"height": 224, "width": 224}}, "height is 224; supported: 336"),
        ({}, {"do_pad": False}, "do_pad is False"),
        ({}, {"size": None}, "lacks the key 'size'"),
    ],
)
def test_a_llava_next_that_is_not_supported_is_refused_by_name(config, pixels, named):
    with pytest.raises(ConfigError, match=named):
        read_llava_next({**LLAVA_NEXT, **config}, {**PIXELS, **pixels})


def test_what_llava_nexts_layout_cannot_say_is_refused_by_name():
    architecture = find_architecture("llava_next_debug")
    vision = replace(architecture.model.vision, norm="rms")
    changed = replace(architecture, model=replace(architecture.model, vision=vision))
    with pytest.raises(ConfigError, match=r"layout of LLaVA-NeXT cannot say .*norm = 'rms'"):
        write_llava_next(changed, "float32")


# -- Idefics3 and SmolVLM --------------------------------------------------------------------------

SMOLVLM_256M: dict[str, Any] = {
    "architectures": ["Idefics3ForConditionalGeneration"],
    "image_token_id": 49190,
    "model_type": "idefics3",
    "scale_factor": 4,
    "text_config": {
        "head_dim": 64,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "is_llama_config": True,
        "max_position_embeddings": 8192,
        "model_type": "llama",
        "num_attention_heads": 9,
        "num_hidden_layers": 30,
        "num_key_value_heads": 3,
        "pad_token_id": 2,
        "pixel_shuffle_factor": 4,
        "rms_norm_eps": 1e-05,
        "rope_interleaved": False,
        "rope_theta": 100000,
        "vocab_size": 49280,
    },
    "tie_word_embeddings": False,
    "use_cache": True,
    "vision_config": {
        "hidden_size": 768,
        "image_size": 512,
        "max_image_size": {"longest_edge": 512},
        "model_type": "idefics3",
        "num_attention_heads": 12,
        "patch_size": 16,
        "size": {"longest_edge": 2048},
        "tie_word_embeddings": False,
    },
    "vocab_size": 49280,
}
SMOLVLM_PIXELS: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_image_splitting": True,
    "do_normalize": True,
    "do_pad": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "Idefics3ImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "max_image_size": {"longest_edge": 512},
    "processor_class": "Idefics3Processor",
    "resample": 1,
    "rescale_factor": 0.00392156862745098,
    "size": {"longest_edge": 2048},
}


@pytest.mark.parametrize("kind", ["idefics3", "smolvlm"])
def test_smolvlm_is_the_one_on_the_hub(kind):
    architecture = find_architecture("smolvlm_256m")
    model, tiling = read_idefics3({**SMOLVLM_256M, "model_type": kind}, SMOLVLM_PIXELS)
    assert (model, tiling) == (architecture.model, architecture.processor.resize)
    assert read_idefics3(*write_idefics3(architecture, "bfloat16")) == (model, tiling)


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("smolvlm_256m", (86_433_024, 7_077_888, 162_974_016, 256_484_928)),
        ("smolvlm_500m", (86_433_024, 11_796_480, 409_252_800, 507_482_304)),
        ("smolvlm_2_2b", (412_987_248, 21_233_664, 1_812_051_968, 2_246_272_880)),
    ],
)
def test_smolvlm_has_the_published_number_of_parameters(name, panels):
    counted = anatomy(find_architecture(name).model)
    counts = [counted.panels[panel] for panel in ("vision", "connector", "language")]
    assert (*counts, counted.total) == panels
    assert published_total(IDEFICS3_FAMILY, name) == counted.total


def test_smolvlms_pictures_take_sixty_four_tokens_a_tile():
    design = find_architecture("smolvlm_256m")
    seen = walk(design.model, design.processor, 768, 1024)
    assert (seen.num_tiles, seen.num_slots, seen.resized) == (13, 13 * 64, (1536, 2048))
    design = find_architecture("smolvlm_2_2b")
    assert walk(design.model, design.processor, 768, 1024).num_slots == 13 * 81


@pytest.mark.parametrize(
    ("config", "pixels", "named"),
    [
        ({"scale_factor": 5}, {}, "32 x 32 grid does not fold by 5"),
        ({"vision_config": {"image_size": 928}}, {}, "29 x 29 patches has positions twice"),
        ({"text_config": {"model_type": "phi"}}, {}, "model_type is 'phi'"),
        ({}, {"max_image_size": {"longest_edge": 364}}, "max_image_size is 364, but .* 512"),
        ({}, {"do_image_splitting": 1}, "do_image_splitting is 1; true or false"),
        ({}, {"size": {}}, "lacks the key 'longest_edge'"),
    ],
)
def test_a_smolvlm_that_is_not_supported_is_refused_by_name(config, pixels, named):
    error = ShapeError if "fold" in named else ConfigError
    with pytest.raises(error, match=named):
        read_idefics3({**SMOLVLM_256M, **config}, {**SMOLVLM_PIXELS, **pixels})


def test_what_idefics3s_layout_cannot_say_is_refused_by_name():
    architecture = find_architecture("smolvlm_debug")
    text = TileTextConfig(before="<fake_token_around_image>")
    changed = replace(architecture, processor=replace(architecture.processor, tile_text=text))
    with pytest.raises(ConfigError, match=r"cannot say processor\.tile_text"):
        write_idefics3(changed, "float32")
    connector = replace(architecture.model.connector, bias=True)
    changed = replace(architecture, model=replace(architecture.model, connector=connector))
    with pytest.raises(ConfigError, match=r"cannot say model\.connector\.bias = True"):
        write_idefics3(changed, "float32")


def test_words_around_tiles_that_are_put_together_are_refused():
    architecture = find_architecture("llava_next_debug")
    config = replace(architecture.processor, tile_text=TileTextConfig(before="a"))
    with pytest.raises(ConfigError, match="tile_text stands between the tiles"):
        Processor(config, architecture.model, debug_tokenizer(("<s>", "</s>", "<image>")))


# -- InternVL --------------------------------------------------------------------------------------

INTERNVL_1B: dict[str, Any] = {
    "architectures": ["InternVLForConditionalGeneration"],
    "downsample_ratio": 0.5,
    "image_seq_length": 256,
    "image_token_id": 151648,
    "model_type": "internvl",
    "projector_hidden_act": "gelu",
    "text_config": {
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": 896,
        "intermediate_size": 4864,
        "max_position_embeddings": 32768,
        "max_window_layers": 24,
        "model_type": "qwen2",
        "num_attention_heads": 14,
        "num_hidden_layers": 24,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "vocab_size": 151655,
    },
    "vision_config": {
        "architectures": ["InternVLVisionModel"],
        "attention_bias": True,
        "hidden_size": 1024,
        "image_size": [448, 448],
        "intermediate_size": 4096,
        "layer_norm_eps": 1e-06,
        "layer_scale_init_value": 0.1,
        "model_type": "internvl_vision",
        "norm_type": "layer_norm",
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "patch_size": [14, 14],
        "use_mean_pooling": True,
    },
    "vision_feature_layer": -1,
    "vision_feature_select_strategy": "default",
}
INTERNVL_PIXELS: dict[str, Any] = {
    "crop_size": None,
    "crop_to_patches": False,
    "do_center_crop": None,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "GotOcr2ImageProcessorFast",
    "image_std": [0.229, 0.224, 0.225],
    "max_patches": 12,
    "min_patches": 1,
    "processor_class": "InternVLProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 448, "width": 448},
}


def test_internvl_is_the_one_on_the_hub():
    architecture = find_architecture("internvl2_1b")
    model, tiling = read_internvl(INTERNVL_1B, INTERNVL_PIXELS)
    assert (model, tiling) == (architecture.model, architecture.processor.resize)
    config, pixels = write_internvl(architecture, "bfloat16")
    assert read_internvl(config, pixels) == (model, tiling)
    assert (config["image_seq_length"], config["downsample_ratio"]) == (256, 0.5)


@pytest.mark.parametrize(
    ("text", "whole", "is_tied"),
    [({}, {}, True), ({TIED: False}, {}, False), ({}, {TIED: False}, False)],
)
def test_files_of_both_versions_say_whether_the_head_is_tied(text, whole, is_tied):
    plain = {key: value for key, value in INTERNVL_1B["text_config"].items() if key != TIED}
    config = {**INTERNVL_1B, "text_config": {**plain, **text}, **whole}
    assert read_internvl(config, INTERNVL_PIXELS)[0].language.tied == is_tied


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("internvl2_1b", (304_012_288, 4_482_816, 629_663_872, 938_158_976)),
        ("internvl2_2b", (304_012_288, 12_595_200, 1_889_146_880, 2_205_754_368)),
        ("internvl2_8b", (304_012_288, 33_570_816, 7_737_782_272, 8_075_365_376)),
    ],
)
def test_internvl_has_the_published_number_of_parameters(name, panels):
    counted = anatomy(find_architecture(name).model)
    counts = [counted.panels[panel] for panel in ("vision", "connector", "language")]
    assert (*counts, counted.total) == panels
    assert published_total(INTERNVL_FAMILY, name) == counted.total


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [(800, 600, 3328), (1920, 1080, 2304), (448, 448, 256), (896, 448, 768), (2000, 2000, 2560)],
)
def test_internvls_pictures_take_the_published_number_of_tokens(width, height, count):
    design = find_architecture("internvl2_1b")
    assert walk(design.model, design.processor, height, width).num_slots == count


@pytest.mark.parametrize(
    ("config", "pixels", "named"),
    [
        ({"vision_feature_layer": -2}, {}, "vision_feature_layer is -2; supported: -1"),
        ({"vision_feature_select_strategy": "full"}, {}, "'full'; supported: 'default'"),
        ({"downsample_ratio": 0.4}, {}, "downsample_ratio is 0.4"),
        ({"projector_hidden_act": "relu"}, {}, "projector_hidden_act is 'relu'"),
        ({}, {"size": {"height": 384, "width": 384}}, "size is 384 x 384, but .* 448"),
        ({}, {"max_patches": 0}, "max_patches is 0"),
    ],
)
def test_an_internvl_that_is_not_supported_is_refused_by_name(config, pixels, named):
    with pytest.raises(ConfigError, match=named):
        read_internvl({**INTERNVL_1B, **config}, {**INTERNVL_PIXELS, **pixels})


def test_what_internvls_layout_cannot_say_is_refused_by_name():
    architecture = find_architecture("internvl_debug")
    vision = replace(architecture.model.vision, patch_bias=False)
    changed = replace(architecture, model=replace(architecture.model, vision=vision))
    with pytest.raises(ConfigError, match=r"cannot say model\.vision\.patch_bias = False"):
        write_internvl(changed, "float32")
