"""Idefics3's and SmolVLM's settings as published, both ways: `config.json` and pictures.

Two model types, `idefics3` and `smolvlm`, name one model; SmolVLM-256M and 500M are published as
either. Written is the older, which more engines read. What the files cannot say is refused, found
by reading them back.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from triptych.architectures.architecture import Architecture
from triptych.architectures.smolvlm import TILE_TEXT
from triptych.connector import LinearConfig
from triptych.errors import ConfigError
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import LongestEdgeTilingConfig
from triptych.published.language import read_language, write_language
from triptych.published.pictures import read_interpolation, write_colours
from triptych.published.settings import Section, as_run, check_equal, published_activation
from triptych.published.vision import SIGLIP, read_vision
from triptych.vision import ViTConfig
from triptych.vision.patches import NUM_CHANNELS

TITLE, CLASS = "Idefics3", "Idefics3ForConditionalGeneration"
"""The family, and what the published code calls the model."""

KINDS = ("idefics3", "smolvlm")
"""What its settings call it; the first is written."""

PROCESSOR_CLASS = "Idefics3Processor"
"""What the published code calls the processor."""

LANCZOS = 1
"""Pillow's number of the filter that settings mean when they name none."""

_VISION = replace(
    SIGLIP,
    title="SigLIP of Idefics3",
    defaults={
        **SIGLIP.defaults,
        "hidden_size": 1152,
        "num_attention_heads": 16,
        "patch_size": 32,
    },
)


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: LinearConfig
    language: DecoderConfig
    tiling: LongestEdgeTilingConfig


def is_idefics3(architecture: Architecture) -> bool:
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
    config = {
        "architectures": [CLASS],
        "model_type": KINDS[0],
        "torch_dtype": dtype,
        "scale_factor": connector.factor,
        "text_config": write_language(language, architecture.processor.max_tokens),
        "tie_word_embeddings": language.tied,
        "use_cache": True,
        "vision_config": _write_vision(vision),
        "vocab_size": language.vocab_size,
    }
    pixels = _write_pixels(tiling, vision)
    model, read_back = read_settings(config, pixels)
    check_equal(TITLE, "model", as_run(architecture.model), model)
    check_equal(TITLE, "processor.resize", tiling, read_back)
    check_equal(TITLE, "processor.tile_text", architecture.processor.tile_text, TILE_TEXT)
    return config, pixels


def read_settings(
    config: Mapping[str, Any], pixels: Mapping[str, Any]
) -> tuple[VLMConfig, LongestEdgeTilingConfig]:
    """The model and the tiling policy that published files describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(scale_factor=2, tie_word_embeddings=False)
    whole.one_of("model_type", *KINDS)
    whole.require(quantization_config=None)
    pictures = Section("preprocessor_config.json", pixels)
    vision = replace(
        read_vision(_VISION, whole.section("vision_config")),
        pixel_mean=pictures.numbers("image_mean"),
        pixel_std=pictures.numbers("image_std"),
    )
    _check_order(vision)
    model = VLMConfig(
        vision=vision,
        connector=LinearConfig(bias=False, factor=whole.count("scale_factor")),
        language=read_language(text_section(config), tied=whole.flag("tie_word_embeddings")),
    )
    tiling = _read_tiling(pictures, vision)
    model.num_visual_tokens(tiling.tile_size, tiling.tile_size)  # refuses what does not fold
    return model, tiling


def text_section(config: Mapping[str, Any]) -> Section:
    """The language model's settings; Llama's where nothing else is said."""
    return Section("config.json", config).section("text_config").over(model_type="llama")


def _parts(architecture: Architecture) -> _Parts | None:
    model, tiling = architecture.model, architecture.processor.resize
    vision, connector, language = model.vision, model.connector, model.language
    if (
        not isinstance(vision, ViTConfig)
        or vision.positions != "learned"
        or not isinstance(connector, LinearConfig)
        or not isinstance(model.fusion, SpliceConfig)
        or not isinstance(language.positions, RotaryConfig)
        or language.positions.mrope_sections is not None
        or not isinstance(tiling, LongestEdgeTilingConfig)
        or architecture.processor.tile_text is None
    ):
        return None
    return _Parts(vision, connector, language, tiling)


def _write_vision(vision: ViTConfig) -> dict[str, Any]:
    return {
        "model_type": "idefics3_vision",
        "attention_dropout": 0.0,
        "hidden_act": published_activation(vision.activation),
        "hidden_size": vision.dim,
        "image_size": vision.image_size,
        "intermediate_size": vision.ffn_dim,
        "layer_norm_eps": vision.norm_eps,
        "num_attention_heads": vision.num_heads,
        "num_channels": NUM_CHANNELS,
        "num_hidden_layers": vision.depth,
        "patch_size": vision.patch_size,
    }


def _write_pixels(tiling: LongestEdgeTilingConfig, vision: ViTConfig) -> dict[str, Any]:
    return {
        "image_processor_type": "Idefics3ImageProcessor",
        "processor_class": PROCESSOR_CLASS,
        "do_image_splitting": tiling.splits,
        "do_pad": True,
        **write_colours(vision, tiling.interpolation),
        "max_image_size": {"longest_edge": tiling.tile_size},
        "size": {"longest_edge": tiling.longest_edge},
    }


def _read_tiling(pixels: Section, vision: ViTConfig) -> LongestEdgeTilingConfig:
    pixels = pixels.over(do_image_splitting=True)
    side = pixels.section("max_image_size").count("longest_edge")
    if side != vision.image_size:
        raise ConfigError(
            f"{pixels.where}: max_image_size is {side}, but the vision panel's positions are those "
            f"of {vision.image_size} pixels; the two must be equal"
        )
    return LongestEdgeTilingConfig(
        tile_size=side,
        longest_edge=pixels.section("size").count("longest_edge"),
        splits=pixels.flag("do_image_splitting"),
        interpolation=read_interpolation(pixels, LANCZOS),
    )


def _check_order(vision: ViTConfig) -> None:
    """Refuse sizes at which the published code gives two patches in a row one position.

    It finds a patch's position by comparing fractions in float32, whose rounding is harmless at
    the published sizes of 26, 27 and 32 patches.
    """
    assert vision.learned_grid is not None
    num_rows = vision.learned_grid.rows
    places = torch.arange(num_rows, dtype=torch.float32, device="cpu") * (
        1.0 / torch.tensor([num_rows])
    )
    bounds = torch.arange(1 / num_rows, 1.0, 1 / num_rows, device="cpu")
    found = torch.bucketize(places.clamp(max=1.0 - 1e-6), bounds, right=True)
    if found.tolist() != list(range(num_rows)):
        raise ConfigError(
            f"a picture of {num_rows} x {num_rows} patches has positions twice in the published "
            "code of Idefics3; choose another image_size"
        )
