"""IDEFICS's settings as published, both ways: `config.json` and the picture settings.

The language model's stand among the model's own. What the files cannot say is found by reading
them back.
"""

from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.idefics import gated_like
from triptych.connector import ResamplerConfig
from triptych.errors import ConfigError
from triptych.fusion.gated import GatedConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import FixedResizeConfig
from triptych.published.family import Settings
from triptych.published.language import read_language, write_language
from triptych.published.settings import Section, published_activation
from triptych.published.vision import read_sizes
from triptych.vision import ViTConfig, clip_vit_l14

TITLE, CLASS, KIND = "IDEFICS", "IdeficsForVisionText2Text", "idefics"
"""The family, what the published code calls the model, and what its settings call it."""

_VISION = {
    "embed_dim": 768,
    "image_size": 224,
    "intermediate_size": 5120,
    "patch_size": 14,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
_PERCEIVER = {
    "resampler_n_latents": 64,
    "resampler_depth": 6,
    "resampler_n_heads": 16,
    "resampler_head_dim": 96,
    "qk_layer_norms_perceiver": False,
}
WHOLE = {
    "vocab_size": 32_000,
    "additional_vocab_size": 0,
    "cross_layer_interval": 1,
    "qk_layer_norms": False,
    "use_resampler": False,
    "alpha_type": "float",
    "dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "max_position_embeddings": 2048,
}
"""Settings that a file may leave out; those of the language model are Llama's."""


class Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: ResamplerConfig
    fusion: GatedConfig
    language: DecoderConfig


def parts_of(architecture: Architecture) -> Parts | None:
    """Its parts where it is of this family, whatever its sizes."""
    model = architecture.model
    vision, connector, fusion = model.vision, model.connector, model.fusion
    if (
        not isinstance(vision, ViTConfig)
        or not vision.pre_norm
        or not isinstance(connector, ResamplerConfig)
        or not isinstance(fusion, GatedConfig)
        or not fusion.mlp_before_pictures
        or not isinstance(model.language.positions, RotaryConfig)
        or not isinstance(architecture.processor.resize, FixedResizeConfig)
    ):
        return None
    return Parts(vision, connector, fusion, model.language)


def read_model(config: Settings, pixels: Section) -> VLMConfig:
    """The model that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(**WHOLE)
    whole.require(model_type=KIND, quantization_config=None, dropout=0.0)
    whole.one_of("use_resampler", True)
    whole.one_of("alpha_type", "vector", "float")
    language = _read_decoder(whole)
    every = whole.count("cross_layer_interval")
    if language.depth % every:
        raise ConfigError(
            f"config.json: cross_layer_interval is {every}, which does not divide the "
            f"{language.depth} blocks of the language model"
        )
    fusion = gated_like(
        language,
        every,
        qk_norm=whole.flag("qk_layer_norms"),
        gate_channels=whole.word("alpha_type") == "vector",
    )
    return VLMConfig(
        vision=_read_vision(whole, pixels),
        connector=_read_resampler(whole),
        language=language,
        fusion=fusion,
    )


def text_section(whole: Section) -> Section:
    """The language model's settings, which stand among the model's own."""
    num_extra = whole.whole("additional_vocab_size")
    if num_extra < 0:
        raise ConfigError(f"config.json: additional_vocab_size is {num_extra}; give 0 or more")
    total = whole.count("vocab_size") + num_extra
    biases = {"attention_bias": False, "mlp_bias": False}
    values = {**whole.values, **biases, "model_type": "llama", "vocab_size": total}
    return Section(whole.where, values)


def _read_decoder(whole: Section) -> DecoderConfig:
    language = read_language(text_section(whole))
    return replace(language, extra_tokens=whole.whole("additional_vocab_size"))


def _read_vision(whole: Section, pixels: Section) -> ViTConfig:
    section = whole.section("vision_config").over(**_VISION)
    section.require(num_channels=3, attention_dropout=0.0)
    section = section.over(hidden_size=section.count("embed_dim"))
    return replace(
        clip_vit_l14(),
        **read_sizes(section),
        final_norm=False,
        pixel_mean=pixels.numbers("image_mean"),
        pixel_std=pixels.numbers("image_std"),
    )


def _read_resampler(whole: Section) -> ResamplerConfig:
    section = whole.section("perceiver_config").over(**_PERCEIVER)
    return ResamplerConfig(
        num_latents=section.count("resampler_n_latents"),
        depth=section.count("resampler_depth"),
        num_heads=section.count("resampler_n_heads"),
        head_dim=section.count("resampler_head_dim"),
        activation="relu",
        qk_norm=section.flag("qk_layer_norms_perceiver"),
        project=False,
    )


def picture_section(pixels: Settings) -> Section:
    """The picture settings; old files give the size as one number under another key."""
    section = Section("preprocessor_config.json", pixels)
    if section.values.get("size") is None and section.values.get("image_size") is not None:
        side = section.side("image_size")
        section = section.over(size={"height": side, "width": side})
    return section


def write_model(parts: Parts, max_tokens: int, dtype: str) -> dict[str, Any]:
    """`config.json` without the ids of tokens."""
    vision, connector, fusion, language = parts
    text = write_language(language, max_tokens)
    return {
        **{key: value for key, value in text.items() if key not in _UNSAID},
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "additional_vocab_size": language.extra_tokens,
        "alpha_initializer": "zeros",
        "alpha_type": "vector" if fusion.gate_channels else "float",
        "cross_layer_interval": fusion.every,
        "dropout": 0.0,
        "perceiver_config": _write_resampler(connector),
        "qk_layer_norms": fusion.qk_norm != "none",
        "use_resampler": True,
        "vision_config": _write_vision(vision),
        "vocab_size": language.common_tokens,
    }


_UNSAID = {
    *("attention_bias", "attention_dropout", "head_dim", "mlp_bias", "num_key_value_heads"),
}
"""Settings of Llama's that this family has no words for; what they say is found by reading back."""


def _write_vision(vision: ViTConfig) -> dict[str, Any]:
    return {
        "model_type": "idefics_vision",
        "attention_dropout": 0.0,
        "embed_dim": vision.dim,
        "hidden_act": published_activation(vision.activation),
        "image_size": vision.image_size,
        "intermediate_size": vision.ffn_dim,
        "layer_norm_eps": vision.norm_eps,
        "num_attention_heads": vision.num_heads,
        "num_channels": 3,
        "num_hidden_layers": vision.depth,
        "patch_size": vision.patch_size,
    }


def _write_resampler(connector: ResamplerConfig) -> dict[str, Any]:
    return {
        "model_type": "idefics_perciever",
        "qk_layer_norms_perceiver": connector.qk_norm,
        "resampler_depth": connector.depth,
        "resampler_head_dim": connector.head_dim,
        "resampler_n_heads": connector.num_heads,
        "resampler_n_latents": connector.num_latents,
        "use_resampler": True,
    }
