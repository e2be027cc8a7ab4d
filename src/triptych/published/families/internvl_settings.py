"""InternVL's settings as published for transformers, both ways: `config.json` and pictures.

What the files cannot say is refused, found by reading them back.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.internvl import TILE_TEXT
from triptych.connector import PixelShuffleConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import ShapeTilingConfig
from triptych.published.language import read_language, write_language
from triptych.published.pictures import (
    read_interpolation,
    read_size,
    write_colours,
)
from triptych.published.settings import Section, as_run, check_equal, published_activation
from triptych.published.vision import INTERNVL, read_vision
from triptych.vision import ViTConfig
from triptych.vision.patches import NUM_CHANNELS

TITLE, CLASS, KIND = "InternVL", "InternVLForConditionalGeneration", "internvl"
"""The family, what the published code calls the model, and what its settings call it."""

PROCESSOR_CLASS = "InternVLProcessor"
"""What the published code calls the processor."""

TIED = "tie_word_embeddings"
"""Whether the head is the embedding table."""


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: PixelShuffleConfig
    language: DecoderConfig
    tiling: ShapeTilingConfig


def is_internvl(architecture: Architecture) -> bool:
    """Whether it is of this family, whatever its sizes."""
    return _parts(architecture) is not None


def write_settings(architecture: Architecture, dtype: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`config.json` without the ids of tokens, and `preprocessor_config.json`.

    Raises:
        ConfigError: the published layout cannot say a setting of this architecture.
    """
    parts = _parts(architecture)
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    vision, connector, language, tiling = parts
    side = tiling.tile_size
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "downsample_ratio": 1 / connector.factor,
        "image_seq_length": architecture.model.num_visual_tokens(side, side),
        "projector_hidden_act": "gelu",
        "text_config": write_language(language, architecture.processor.max_tokens),
        "tie_word_embeddings": language.tied,
        "vision_config": _write_vision(vision),
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
    }
    pixels = _write_pixels(tiling, vision)
    model, read_back = read_settings(config, pixels)
    check_equal(TITLE, "model", _as_run(architecture.model), model)
    check_equal(TITLE, "processor.resize", tiling, read_back)
    check_equal(TITLE, "processor.tile_text", architecture.processor.tile_text, TILE_TEXT)
    return config, pixels


def read_settings(
    config: Mapping[str, Any], pixels: Mapping[str, Any]
) -> tuple[VLMConfig, ShapeTilingConfig]:
    """The model and the tiling policy that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(downsample_ratio=0.5)
    whole.require(
        model_type=KIND,
        quantization_config=None,
        projector_hidden_act="gelu",
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    pictures = Section("preprocessor_config.json", pixels).over(min_patches=1, max_patches=12)
    vision = replace(
        read_vision(INTERNVL, whole.section("vision_config")),
        keep_class_token=False,
        pixel_mean=pictures.numbers("image_mean"),
        pixel_std=pictures.numbers("image_std"),
    )
    text = text_section(config)
    # Files of transformers 4 leave it to the language model, those of 5 to this.
    tied = whole.over(tie_word_embeddings=text.over(tie_word_embeddings=True).flag(TIED)).flag(TIED)
    model = VLMConfig(
        vision=vision,
        connector=PixelShuffleConfig(factor=read_factor(whole)),
        language=read_language(text, tied=tied),
    )
    return model, read_tiling(pictures, vision)


def text_section(config: Mapping[str, Any]) -> Section:
    """The language model's settings; Qwen2's where nothing else is said."""
    return Section("config.json", config).section("text_config").over(model_type="qwen2")


def read_tiling(pixels: Section, vision: ViTConfig) -> ShapeTilingConfig:
    """How pictures are cut.

    Raises:
        ConfigError: a setting is missing or malformed, or tiles have another size than the vision
            panel's positions.
    """
    size = read_size(pixels, "size")
    height, width = size.count("height"), size.count("width")
    if {height, width} != {vision.image_size}:
        raise ConfigError(
            f"{pixels.where}: size is {height} x {width}, but the vision panel's positions are "
            f"those of {vision.image_size} pixels; the two must be equal"
        )
    return ShapeTilingConfig(
        tile_size=height,
        min_tiles=pixels.count("min_patches"),
        max_tiles=pixels.count("max_patches"),
        interpolation=read_interpolation(pixels),
    )


def _parts(architecture: Architecture) -> _Parts | None:
    model, tiling = architecture.model, architecture.processor.resize
    vision, connector, language = model.vision, model.connector, model.language
    if (
        not isinstance(vision, ViTConfig)
        or vision.positions != "learned"
        or not vision.class_token
        or not isinstance(connector, PixelShuffleConfig)
        or not isinstance(model.fusion, SpliceConfig)
        or not isinstance(language.positions, RotaryConfig)
        or language.positions.mrope_sections is not None
        or not isinstance(tiling, ShapeTilingConfig)
        or architecture.processor.tile_text is None
    ):
        return None
    return _Parts(vision, connector, language, tiling)


def _as_run(model: VLMConfig) -> VLMConfig:
    """Where the factors of the branches began makes no difference once they are learned."""
    assert isinstance(model.vision, ViTConfig)
    is_scaled = model.vision.layer_scale is not None
    vision = replace(model.vision, layer_scale=0.1) if is_scaled else model.vision
    return as_run(replace(model, vision=vision))


def read_factor(whole: Section) -> int:
    """Side of a folded neighbourhood: one over the published ratio.

    Raises:
        ConfigError: it is no whole number.
    """
    factor = round(1 / whole.number("downsample_ratio"))
    whole.one_of("downsample_ratio", 1 / max(1, factor))
    return factor


def _write_vision(vision: ViTConfig) -> dict[str, Any]:
    return {
        "architectures": ["InternVLVisionModel"],
        "model_type": INTERNVL.model_types[0],
        "attention_bias": vision.qkv_bias,
        "attention_dropout": 0.0,
        "hidden_act": published_activation(vision.activation),
        "hidden_dropout_prob": 0.0,
        "hidden_size": vision.dim,
        "image_size": [vision.image_size, vision.image_size],
        "intermediate_size": vision.ffn_dim,
        "layer_norm_eps": vision.norm_eps,
        "layer_scale_init_value": vision.layer_scale,
        "norm_type": "rms_norm" if vision.norm == "rms" else "layer_norm",
        "num_attention_heads": vision.num_heads,
        "num_channels": NUM_CHANNELS,
        "num_hidden_layers": vision.depth,
        "patch_size": [vision.patch_size, vision.patch_size],
        "projection_dropout": 0.0,
        "use_absolute_position_embeddings": True,
        "use_mask_token": False,
        "use_mean_pooling": not vision.final_norm,
        "use_qk_norm": vision.qk_norm != "none",
    }


def _write_pixels(tiling: ShapeTilingConfig, vision: ViTConfig) -> dict[str, Any]:
    side = tiling.tile_size
    return {
        "image_processor_type": "GotOcr2ImageProcessor",
        "processor_class": PROCESSOR_CLASS,
        "crop_to_patches": True,
        "min_patches": tiling.min_tiles,
        "max_patches": tiling.max_tiles,
        **write_colours(vision, tiling.interpolation),
        "size": {"height": side, "width": side},
    }
