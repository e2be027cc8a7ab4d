"""Families that cut pictures into tiles: settings on the Hub are the sizes we know.

Settings here are as on the Hub, where files leave out what has the value of its class.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
from tests.architectures.test_published import CLIP_L_336

from triptych.architectures import find_architecture
from triptych.architectures.llava_next_family import LLAVA_NEXT_FAMILY
from triptych.architectures.llava_next_settings import read_settings as read_llava_next
from triptych.architectures.llava_next_settings import write_settings as write_llava_next
from triptych.architectures.published_family import PublishedFamily
from triptych.errors import ConfigError
from triptych.vision import CLIP_MEAN, CLIP_STD
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
