"""Qwen2.5-VL's settings as published, both ways; what it shares with Qwen2-VL is read there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triptych.architectures.architecture import Architecture
from triptych.connector import MergerConfig
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLMConfig
from triptych.language import RotaryConfig
from triptych.media import NativeResizeConfig
from triptych.published.families.qwen2_vl_settings import (
    Parts,
    qwen_parts,
    read_decoder,
    read_pictures,
    text_section,
    token_ids,
    write_decoder,
    write_pictures,
)
from triptych.published.settings import (
    Section,
    as_run,
    check_equal,
    published_activation,
    read_activation,
)
from triptych.text import Tokenizer
from triptych.vision import ViTConfig, qwen2_5_vl_vit
from triptych.vision.patches import NUM_CHANNELS

TITLE, CLASS, KIND = "Qwen2.5-VL", "Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl"
"""The family, what the published code calls the model, and what its settings call it."""

_VISION_DEFAULTS: dict[str, Any] = {
    "depth": 32,
    "hidden_size": 3584,
    "hidden_act": "silu",
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "tokens_per_second": 4,
    "window_size": 112,
    "out_hidden_size": 3584,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
"""What a file may leave out, as transformers has it."""


def is_qwen2_5_vl(architecture: Architecture) -> bool:
    """Whether it is of this family, whatever its sizes."""
    return _parts(architecture) is not None


def write_settings(
    architecture: Architecture, tokenizer: Tokenizer, dtype: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`config.json` and `preprocessor_config.json`, in the flat form of the published models.

    Raises:
        ConfigError: the published layout cannot say a setting of this architecture.
        TokenError: the tokenizer lacks a special token of Qwen2.5-VL.
    """
    parts = _parts(architecture)
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        **token_ids(architecture.processor.template, tokenizer),
        **write_decoder(parts, architecture.processor.max_tokens),
        "vision_config": _write_vision(parts),
    }
    preprocessor = write_pictures(parts, "Qwen2_5_VLProcessor")
    model, resize = read_settings(config, preprocessor)
    check_equal(TITLE, "model", as_run(architecture.model), model)
    check_equal(TITLE, "processor.resize", architecture.processor.resize, resize)
    return config, preprocessor


def read_settings(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any]
) -> tuple[VLMConfig, NativeResizeConfig]:
    """The model and the resize policy that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config)
    whole.require(model_type=KIND, quantization_config=None)
    section = whole.section("vision_config").over(**_VISION_DEFAULTS)
    pixels = Section("preprocessor_config.json", preprocessor)
    merger = MergerConfig(factor=section.count("spatial_merge_size"), norm="rms")
    vision = _read_vision(section, pixels, merger.factor)
    language = read_decoder(text_section(config), whole)
    section.require(out_hidden_size=language.dim)
    assert isinstance(language.positions, RotaryConfig)
    positions = replace(language.positions, tokens_per_second=section.number("tokens_per_second"))
    language = replace(language, positions=positions)
    resize = read_pictures(pixels, vision, merger)
    return VLMConfig(vision=vision, connector=merger, language=language), resize


def _parts(architecture: Architecture) -> Parts | None:
    parts = qwen_parts(architecture)
    if parts is None or parts.merger.norm != "rms" or parts.tokens_per_second is None:
        return None
    return parts


def _write_vision(parts: Parts) -> dict[str, Any]:
    vision = parts.vision
    seconds = parts.tokens_per_second or 0.0
    return {
        "depth": vision.depth,
        "fullatt_block_indexes": list(vision.whole_blocks),
        "hidden_act": published_activation(vision.activation),
        "hidden_size": vision.dim,
        "in_channels": NUM_CHANNELS,
        "in_chans": NUM_CHANNELS,  # an old name of the same, in the files on the Hub
        "intermediate_size": vision.ffn_dim,
        "num_heads": vision.num_heads,
        "out_hidden_size": parts.language.dim,
        "patch_size": vision.patch_size,
        "spatial_merge_size": parts.merger.factor,
        "spatial_patch_size": vision.patch_size,
        "temporal_patch_size": vision.temporal_patch_size,
        "tokens_per_second": int(seconds) if seconds == int(seconds) else seconds,
        "window_size": (vision.window or 0) * vision.patch_size,
    }


def _read_vision(section: Section, pixels: Section, factor: int) -> ViTConfig:
    section.require(in_channels=NUM_CHANNELS, in_chans=NUM_CHANNELS)
    section.one_of("model_type", KIND, f"{KIND}_vision")
    published = qwen2_5_vl_vit()
    rope = section.section("rope_parameters")
    rope.require(rope_type="axial", rope_theta=published.rope_theta)
    patch_size = section.count("patch_size")
    whole = section.values["fullatt_block_indexes"]
    return replace(
        published,
        patch_size=patch_size,
        dim=section.count("hidden_size"),
        depth=section.count("depth"),
        num_heads=section.count("num_heads"),
        ffn_dim=section.count("intermediate_size"),
        activation=read_activation(section, "hidden_act"),
        temporal_patch_size=section.count("temporal_patch_size"),
        # The published code counts a window in merged patches, and leaves the rest out.
        window=section.count("window_size") // factor // patch_size * factor,
        whole_blocks=tuple(section.ids("fullatt_block_indexes")) if whole else (),
        pixel_mean=pixels.numbers("image_mean"),
        pixel_std=pixels.numbers("image_std"),
    )
