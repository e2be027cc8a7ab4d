"""Qwen2-VL's settings as published, both ways: `config.json` and `preprocessor_config.json`.

Written is the flat form of the published models, which transformers 4 and 5, vLLM, SGLang and
llama.cpp read. Read is also the nested form that transformers 5 writes. Every number comes from
our configuration and every id from the tokenizer; what the files cannot say is refused, found by
reading them back.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.connector import MergerConfig
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig, qwen2_1_5b
from triptych.language.decoder import INITIAL_STD
from triptych.media import NativeResizeConfig
from triptych.published.pictures import BICUBIC, RESCALE
from triptych.published.settings import Section, as_run, check_equal
from triptych.text import ChatTemplate, Tokenizer
from triptych.vision import ViTConfig, qwen2_vl_vit
from triptych.vision.patches import NUM_CHANNELS

TITLE, CLASS, KIND = "Qwen2-VL", "Qwen2VLForConditionalGeneration", "qwen2_vl"
"""The family, what the published code calls the model, and what its settings call it."""

PAD = "<|endoftext|>"
"""What published tokenizers of the family pad with; the start token of their settings, too."""

VIDEO = "<|video_pad|>"
"""Stands where a frame of a video does; the settings name it even where no model reads videos."""


class Parts(NamedTuple):
    """The parts of an architecture of this kind, which Qwen2.5-VL is of too."""

    vision: ViTConfig
    merger: MergerConfig
    language: DecoderConfig
    theta: float
    sections: tuple[int, int, int]
    tokens_per_second: float | None
    resize: NativeResizeConfig


def is_qwen2_vl(architecture: Architecture) -> bool:
    """Whether it is of this family, whatever its sizes; Qwen2.5-VL is not."""
    parts = qwen_parts(architecture)
    return parts is not None and parts.merger.norm == "layer" and parts.tokens_per_second is None


def write_settings(
    architecture: Architecture, tokenizer: Tokenizer, dtype: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`config.json` and `preprocessor_config.json` of a Qwen2-VL.

    Args:
        architecture: What is to be said.
        tokenizer: Whose ids the special tokens have.
        dtype: Of the weights, in torch's words: `float32`, `bfloat16`.

    Raises:
        ConfigError: the published layout cannot say a setting of this architecture.
        TokenError: the tokenizer lacks a special token of Qwen2-VL.
    """
    parts = qwen_parts(architecture)
    if parts is None or not is_qwen2_vl(architecture):
        raise ConfigError(f"{architecture.name} is not of the Qwen2-VL family")
    ids = token_ids(architecture.processor.template, tokenizer)
    language = write_decoder(parts, architecture.processor.max_tokens)
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        **ids,
        **language,
        "vision_config": _write_vision(parts),
    }
    preprocessor = write_pictures(parts)
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
    vision_section = whole.section("vision_config")
    pixels = Section("preprocessor_config.json", preprocessor)
    vision = _read_vision(vision_section, pixels)
    language = read_decoder(text_section(config), whole)
    vision_section.require(hidden_size=language.dim)
    merger = MergerConfig(factor=vision_section.count("spatial_merge_size"))
    resize = read_pictures(pixels, vision, merger)
    return VLMConfig(vision=vision, connector=merger, language=language), resize


def text_section(config: Mapping[str, Any]) -> Section:
    """The language model's settings, which stand in a group of their own or among all others."""
    whole = Section("config.json", config)
    return whole.section("text_config") if config.get("text_config") else whole


def qwen_parts(architecture: Architecture) -> Parts | None:
    """The parts of an architecture of this kind; None where it is of another."""
    model, resize = architecture.model, architecture.processor.resize
    vision, merger, positions = model.vision, model.connector, model.language.positions
    if (
        not isinstance(vision, ViTConfig)
        or vision.positions != "rotary"
        or not isinstance(merger, MergerConfig)
        or not isinstance(positions, RotaryConfig)
        or positions.mrope_sections is None
        or not isinstance(resize, NativeResizeConfig)
    ):
        return None
    sections, a_second = positions.mrope_sections, positions.tokens_per_second
    return Parts(vision, merger, model.language, positions.theta, sections, a_second, resize)


def token_ids(template: ChatTemplate, tokenizer: Tokenizer) -> dict[str, int]:
    """The ids that `config.json` names. Raises TokenError where the tokenizer lacks one."""
    named = {
        "bos_token_id": PAD,
        "eos_token_id": template.end_tokens[0],
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
        "vision_token_id": "<|vision_pad|>",
        "image_token_id": template.image_token,
        "video_token_id": VIDEO,
    }
    return {key: tokenizer.special(token) for key, token in named.items()}


def write_decoder(parts: Parts, max_tokens: int) -> dict[str, Any]:
    """The settings of the language panel, as they stand among all others."""
    language = parts.language
    return {
        "attention_dropout": 0.0,
        "head_dim": language.head_width,
        "hidden_act": language.activation,
        "hidden_size": language.dim,
        "initializer_range": INITIAL_STD,
        "intermediate_size": language.ffn_dim,
        "max_position_embeddings": max_tokens,
        "max_window_layers": language.depth,
        "num_attention_heads": language.num_heads,
        "num_hidden_layers": language.depth,
        "num_key_value_heads": language.num_kv_heads,
        "rms_norm_eps": language.norm_eps,
        "rope_scaling": {"type": "mrope", "mrope_section": list(parts.sections)},
        "rope_theta": parts.theta,
        "sliding_window": max_tokens,
        "tie_word_embeddings": language.tied,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": language.vocab_size,
    }


def _write_vision(parts: Parts) -> dict[str, Any]:
    vision = parts.vision
    return {
        "depth": vision.depth,
        "embed_dim": vision.dim,
        "hidden_act": vision.activation,
        "hidden_size": parts.language.dim,
        "in_channels": NUM_CHANNELS,
        "in_chans": NUM_CHANNELS,  # an old name of the same, read by nobody we know
        "mlp_ratio": max(1, vision.ffn_dim // vision.dim),
        "num_heads": vision.num_heads,
        "patch_size": vision.patch_size,
        "spatial_merge_size": parts.merger.factor,
        "spatial_patch_size": vision.patch_size,
        "temporal_patch_size": vision.temporal_patch_size,
    }


def write_pictures(parts: Parts, processor_class: str = "Qwen2VLProcessor") -> dict[str, Any]:
    """`preprocessor_config.json`."""
    vision, resize = parts.vision, parts.resize
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": processor_class,
        "do_convert_rgb": True,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "rescale_factor": RESCALE,
        "resample": BICUBIC,
        "min_pixels": resize.min_pixels,
        "max_pixels": resize.max_pixels,
        "size": {"shortest_edge": resize.min_pixels, "longest_edge": resize.max_pixels},
        "patch_size": vision.patch_size,
        "temporal_patch_size": vision.temporal_patch_size,
        "merge_size": parts.merger.factor,
        "image_mean": list(vision.pixel_mean),
        "image_std": list(vision.pixel_std),
    }


def _read_vision(section: Section, pixels: Section) -> ViTConfig:
    published = qwen2_vl_vit()
    section.require(
        hidden_act=published.activation, in_channels=NUM_CHANNELS, in_chans=NUM_CHANNELS
    )
    section.one_of("model_type", KIND, f"{KIND}_vision")
    rope = section.section("rope_parameters")
    rope.require(rope_type="axial", rope_theta=published.rope_theta)
    dim = section.count("embed_dim")
    return replace(
        published,
        patch_size=section.count("patch_size"),
        dim=dim,
        depth=section.count("depth"),
        num_heads=section.count("num_heads"),
        ffn_dim=dim * section.count("mlp_ratio"),
        temporal_patch_size=section.count("temporal_patch_size"),
        pixel_mean=pixels.numbers("image_mean"),
        pixel_std=pixels.numbers("image_std"),
    )


def read_decoder(text: Section, whole: Section) -> DecoderConfig:
    """The language panel, whose group may be that of all settings. Raises ConfigError."""
    published = qwen2_1_5b()
    text.require(hidden_act=published.activation, use_sliding_window=False, attention_dropout=0.0)
    tied = whole.values.get("tie_word_embeddings") or text.values.get("tie_word_embeddings")
    dim, num_heads = text.count("hidden_size"), text.count("num_attention_heads")
    text.require(head_dim=dim // num_heads)
    return replace(
        published,
        vocab_size=text.count("vocab_size"),
        dim=dim,
        depth=text.count("num_hidden_layers"),
        num_heads=num_heads,
        num_kv_heads=text.count("num_key_value_heads"),
        ffn_dim=text.count("intermediate_size"),
        norm_eps=text.number("rms_norm_eps"),
        tied=bool(tied),
        positions=_read_positions(text),
    )


def _read_positions(text: Section) -> RotaryConfig:
    rope = text.section("rope_parameters")
    if not rope.values:
        rope = text.section("rope_scaling")
    for key in ("type", "rope_type"):
        rope.one_of(key, "mrope", "default")
    for key in sorted(set(rope.values) - {"type", "rope_type", "mrope_section", "rope_theta"}):
        rope.one_of(key)
    theta = rope if "rope_theta" in rope.values else text
    return RotaryConfig(
        theta=theta.number("rope_theta"), mrope_sections=rope.counts("mrope_section")
    )


def read_pictures(pixels: Section, vision: ViTConfig, merger: MergerConfig) -> NativeResizeConfig:
    """The resize policy of `preprocessor_config.json`. Raises ConfigError."""
    pixels.require(
        do_convert_rgb=True,
        do_resize=True,
        do_rescale=True,
        do_normalize=True,
        rescale_factor=RESCALE,
        resample=BICUBIC,
        patch_size=vision.patch_size,
        temporal_patch_size=vision.temporal_patch_size,
        merge_size=merger.factor,
    )
    size = pixels.section("size")
    smallest, largest = (
        pixels.count(bound) if pixels.values.get(bound) is not None else size.count(edge)
        for bound, edge in (("min_pixels", "shortest_edge"), ("max_pixels", "longest_edge"))
    )
    factor = vision.patch_size * merger.factor
    return NativeResizeConfig(factor=factor, min_pixels=smallest, max_pixels=largest)
