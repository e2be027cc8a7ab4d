"""LLaVA-NeXT's settings as published, both ways: those of LLaVA, and how pictures are cut.

The canvases stand in `config.json`, for the model, and in the picture settings, for the processor;
they must be the same. A tile is as large as the vision panel's positions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from triptych.architectures.architecture import Architecture
from triptych.connector import AnyResConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import CanvasTilingConfig
from triptych.published.families.llava_settings import feature_strategy, read_eyes, text_section
from triptych.published.language import read_language, write_language
from triptych.published.pictures import (
    read_interpolation,
    read_size,
    write_colours,
)
from triptych.published.settings import (
    Section,
    as_run,
    check_equal,
    published_activation,
    read_activation,
)
from triptych.published.vision import write_clip_or_siglip
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "LLaVA-NeXT", "LlavaNextForConditionalGeneration", "llava_next"
"""The family, what the published code calls the model, and what its settings call it."""

PROCESSOR_CLASS = "LlavaNextProcessor"
"""What the published code calls the processor."""

_CANVASES = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
"""Those that settings mean when they name none."""


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: AnyResConfig
    language: DecoderConfig
    tiling: CanvasTilingConfig


def is_llava_next(architecture: Architecture) -> bool:
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
        "image_grid_pinpoints": [list(canvas) for canvas in tiling.canvases],
        "image_seq_length": vision.grid(side, side).num_tokens,
        "multimodal_projector_bias": True,
        "projector_hidden_act": published_activation(connector.activation),
        "text_config": write_language(language, architecture.processor.max_tokens),
        "tie_word_embeddings": language.tied,
        "use_image_newline_parameter": True,
        "vision_config": write_clip_or_siglip(vision),
        "vision_feature_layer": vision.feature_layer,
        "vision_feature_select_strategy": feature_strategy(vision),
    }
    pixels = _write_pixels(tiling, vision)
    model, read_back = read_settings(config, pixels)
    check_equal(TITLE, "model", as_run(architecture.model), model)
    check_equal(TITLE, "processor.resize", tiling, read_back)
    return config, pixels


def read_settings(
    config: Mapping[str, Any], pixels: Mapping[str, Any]
) -> tuple[VLMConfig, CanvasTilingConfig]:
    """The model and the tiling policy that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(
        projector_hidden_act="gelu",
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
        image_grid_pinpoints=_CANVASES,
    )
    whole.require(
        model_type=KIND,
        quantization_config=None,
        multimodal_projector_bias=True,
        use_image_newline_parameter=True,
    )
    pictures = Section("preprocessor_config.json", pixels).over(image_grid_pinpoints=_CANVASES)
    vision = read_eyes(whole, pictures)
    if vision.keep_class_token:
        whole.require(vision_feature_select_strategy="default")
    model = VLMConfig(
        vision=vision,
        connector=AnyResConfig(activation=read_activation(whole, "projector_hidden_act")),
        language=read_language(text_section(config), tied=whole.flag("tie_word_embeddings")),
    )
    canvases = _read_canvases(pictures)
    if canvases != _read_canvases(whole):
        raise ConfigError(
            "image_grid_pinpoints of preprocessor_config.json and of config.json differ: "
            f"{canvases} and {_read_canvases(whole)}; take both files from one model"
        )
    side = _read_side(pictures, vision)
    interpolation = read_interpolation(pictures)
    return model, CanvasTilingConfig(tile_size=side, canvases=canvases, interpolation=interpolation)


def _parts(architecture: Architecture) -> _Parts | None:
    model, tiling = architecture.model, architecture.processor.resize
    vision, connector, language = model.vision, model.connector, model.language
    if (
        not isinstance(vision, ViTConfig)
        or vision.positions != "learned"
        or vision.layer_scale is not None
        or not isinstance(connector, AnyResConfig)
        or not isinstance(model.fusion, SpliceConfig)
        or not isinstance(language.positions, RotaryConfig)
        or language.positions.mrope_sections is not None
        or not isinstance(tiling, CanvasTilingConfig)
    ):
        return None
    return _Parts(vision, connector, language, tiling)


def _write_pixels(tiling: CanvasTilingConfig, vision: ViTConfig) -> dict[str, Any]:
    side = tiling.tile_size
    return {
        "image_processor_type": "LlavaNextImageProcessor",
        "processor_class": PROCESSOR_CLASS,
        "do_center_crop": True,
        "do_pad": True,
        "image_grid_pinpoints": [list(canvas) for canvas in tiling.canvases],
        "aspect_ratio_setting": "anyres",
        **write_colours(vision, tiling.interpolation),
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }


def _read_side(pixels: Section, vision: ViTConfig) -> int:
    """The side of a tile: of the crop, the edge and the vision panel's positions alike."""
    pixels.require(do_center_crop=True, do_pad=True)
    side = vision.image_size
    size = read_size(pixels, "size")
    size.require(shortest_edge=side, height=side, width=side)
    read_size(pixels, "crop_size").over(height=side, width=side).require(height=side, width=side)
    if not size.values:
        raise ConfigError(f"{pixels.where} lacks the key 'size'; is the file complete?")
    assert side is not None
    return side


def _read_canvases(section: Section) -> tuple[tuple[int, int], ...]:
    value = section.values["image_grid_pinpoints"]
    pairs = cast(list[Any], value if isinstance(value, list | tuple) else [])
    canvases = tuple(
        tuple(cast(list[Any], pair)) for pair in pairs if isinstance(pair, list | tuple)
    )
    is_list = bool(pairs) and len(canvases) == len(pairs)
    if not is_list or any(len(pair) != 2 or not all(map(_is_side, pair)) for pair in canvases):
        raise ConfigError(
            f"{section.where}: image_grid_pinpoints is {value!r}; a list of pairs of height and "
            "width is needed"
        )
    return cast(tuple[tuple[int, int], ...], canvases)


def _is_side(value: object) -> bool:
    return isinstance(value, int) and value > 0
