"""LLaVA-1.5's settings as published, both ways: `config.json` and what its processor reads.

Written is the form of the checkpoints on the Hub, with every number spelt out. Read are also files
that leave out what has the value of its class, as those do, and files of transformers 5. The vision
panel is CLIP or SigLIP, the language panel of the Llama kind; every number comes from our
configuration and every id from the tokenizer. What the files cannot say is refused, found by
reading them back.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.connector import MLPConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import NativeResizeConfig, ResizeConfig, TilingConfig
from triptych.published.language import read_language, write_language
from triptych.published.pictures import read_resize, write_resize
from triptych.published.settings import (
    Section,
    as_run,
    check_equal,
    published_activation,
    read_activation,
)
from triptych.published.vision import (
    CLIP,
    SIGLIP,
    find_vision,
    read_vision,
    write_clip_or_siglip,
)
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "LLaVA", "LlavaForConditionalGeneration", "llava"
"""The family, what the published code calls the model, and what its settings call it."""

PROCESSOR_CLASS = "LlavaProcessor"
"""What the published code calls the processor."""


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: MLPConfig
    language: DecoderConfig


def is_llava(architecture: Architecture) -> bool:
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
    vision, connector, language = parts
    resize, model = architecture.processor.resize, architecture.model
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "image_seq_length": model.num_visual_tokens(*resize.target_size(1, 1)),
        "multimodal_projector_bias": True,
        "projector_hidden_act": published_activation(connector.activation),
        "text_config": write_language(language, architecture.processor.max_tokens),
        "tie_word_embeddings": language.tied,
        "vision_config": write_clip_or_siglip(vision),
        "vision_feature_layer": vision.feature_layer,
        "vision_feature_select_strategy": feature_strategy(vision),
    }
    pixels = {"processor_class": PROCESSOR_CLASS, **write_resize(resize, vision)}
    read_model, read_back = read_settings(config, pixels)
    check_equal(TITLE, "model", as_run(model), read_model)
    check_equal(TITLE, "processor.resize", resize, read_back)
    return config, pixels


def write_processor(
    vision: ViTConfig, image_token: str, processor_class: str = PROCESSOR_CLASS
) -> dict[str, Any]:
    """`processor_config.json`: how many slots the published processor reserves."""
    return {
        "processor_class": processor_class,
        "image_token": image_token,
        "patch_size": vision.patch_size,
        "num_additional_image_tokens": int(vision.class_token),
        "vision_feature_select_strategy": feature_strategy(vision),
    }


def read_settings(
    config: Mapping[str, Any], pixels: Mapping[str, Any]
) -> tuple[VLMConfig, ResizeConfig]:
    """The model and the resize policy that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(
        projector_hidden_act="gelu",
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    whole.require(model_type=KIND, quantization_config=None, multimodal_projector_bias=True)
    pictures = Section("preprocessor_config.json", pixels)
    model = VLMConfig(
        vision=read_eyes(whole, pictures),
        connector=MLPConfig(activation=read_activation(whole, "projector_hidden_act")),
        language=read_language(text_section(config), tied=whole.flag("tie_word_embeddings")),
    )
    return model, read_resize(pictures)


def text_section(config: Mapping[str, Any]) -> Section:
    """The language model's settings; Llama's where nothing else is said."""
    return Section("config.json", config).section("text_config").over(model_type="llama")


def whole_vision(vision: ViTConfig) -> ViTConfig:
    """The panel with all that is published of it, whichever block is read."""
    return replace(vision, feature_layer=-1, final_norm=True)


def _parts(architecture: Architecture) -> _Parts | None:
    model = architecture.model
    vision, connector, language = model.vision, model.connector, model.language
    if (
        not isinstance(vision, ViTConfig)
        or vision.positions != "learned"
        or vision.layer_scale is not None
        or not isinstance(connector, MLPConfig)
        or connector.norm
        or not isinstance(model.fusion, SpliceConfig)
        or not isinstance(language.positions, RotaryConfig)
        or language.positions.mrope_sections is not None
        or isinstance(architecture.processor.resize, NativeResizeConfig | TilingConfig)
    ):
        return None
    return _Parts(vision, connector, language)


def feature_strategy(vision: ViTConfig) -> str:
    """What the published code calls dropping the class token, or not."""
    drops_class_token = vision.class_token and not vision.keep_class_token
    return "default" if drops_class_token else "full"


def read_eyes(whole: Section, pixels: Section) -> ViTConfig:
    """The vision panel of a LLaVA, with the block that is read of it.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section = whole.section("vision_config").over(model_type=CLIP.model_types[0])
    section.one_of("model_type", CLIP.model_types[0], SIGLIP.model_types[0])
    family, section = find_vision(section)
    vision = read_vision(family, section)
    layer = whole.whole("vision_feature_layer")
    whole.one_of("vision_feature_layer", *range(-vision.depth, 0))
    whole.one_of("vision_feature_select_strategy", "default", "full")
    is_full = whole.values["vision_feature_select_strategy"] == "full"
    if not vision.class_token:
        # The published code drops the first patch here; with "full" nothing is dropped.
        whole.require(vision_feature_select_strategy="full")
    return replace(
        vision,
        feature_layer=layer,
        final_norm=False,
        keep_class_token=is_full and vision.class_token,
        pixel_mean=pixels.numbers("image_mean"),
        pixel_std=pixels.numbers("image_std"),
    )
