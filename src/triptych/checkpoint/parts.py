"""Published vision encoders and language models, read as panels to build a new model from.

vision      ViT, CLIP (also the vision half of a whole CLIP), SigLIP (likewise), DINOv2,
            InternViT
language    Llama, SmolLM, Mistral, Qwen2, Gemma, with their tokenizer

config.json  model*.safetensors  and of vision  preprocessor_config.json, where there is one
                                 of language    tokenizer.json  generation_config.json
                                                tokenizer_config.json  chat_template.jinja
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from triptych.checkpoint.files import read_json, recover_folder
from triptych.checkpoint.published_weights import PublishedWeights
from triptych.errors import CheckpointError
from triptych.language import DecoderConfig
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    TOKENIZER,
    TOKENIZER_CONFIG,
)
from triptych.published.language import (
    EMBEDDING,
    HEAD,
    LLAMA_NAMES,
    language_family,
    read_language,
)
from triptych.published.settings import Section
from triptych.published.tensors import part_tensors, renamed
from triptych.published.text import tokens_of
from triptych.published.vision import (
    CLIP,
    SIGLIP,
    PublishedVision,
    find_vision,
    read_vision,
)
from triptych.text import Tokenizer
from triptych.vision import ViTConfig, penultimate

TEMPLATE = "chat_template.jinja"


def load_vision(
    folder: Path, *, dtype: torch.dtype = torch.float32
) -> tuple[ViTConfig, dict[str, Tensor]]:
    """A published vision panel: its configuration, and its weights under our names.

    It puts out what the published model puts out last, class token included.

    Raises:
        CheckpointError: a file is missing or torn, or the weights are pickles, quantised, or
            others than the configuration asks for.
        ConfigError: the family is not supported, or a setting is missing or malformed.
    """
    family, _ = find_vision(_settings(folder, CONFIG))
    config = read_vision_config(folder)
    weights = PublishedWeights(folder, lambda name: _vision_name(name, family))
    state, _ = weights.read(part_tensors(config, family.names, family.title), dtype)
    return config, state


def load_language(
    folder: Path, *, dtype: torch.dtype = torch.float32
) -> tuple[DecoderConfig, dict[str, Tensor], Tokenizer]:
    """A published language panel: configuration, weights under our names, and tokenizer.

    Raises:
        CheckpointError: as `load_vision`.
        ConfigError: as `load_vision`.
        TokenError: the tokenizer is missing or torn.
    """
    config = read_language_config(folder)
    title = language_family(_settings(folder, CONFIG)).class_name
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    weights = PublishedWeights(folder, _language_name)
    tied = (EMBEDDING, HEAD) if config.tied else None
    state, _ = weights.read(part_tensors(config, LLAMA_NAMES, title), dtype, tied=tied)
    return config, state, tokenizer


def read_vision_config(folder: Path) -> ViTConfig:
    """The configuration of a published vision panel, without its weights.

    Raises:
        CheckpointError, ConfigError: see `load_vision`.
    """
    config = read_vision(*find_vision(_settings(folder, CONFIG)))
    pixels = _optional(folder, PREPROCESSOR)
    if pixels.values.get("image_mean") is None:
        return config  # the colours of its family
    mean, std = pixels.numbers("image_mean"), pixels.numbers("image_std")
    return replace(config, pixel_mean=mean, pixel_std=std)


def read_language_config(folder: Path) -> DecoderConfig:
    """The configuration of a published language panel, without its weights.

    Raises:
        CheckpointError, ConfigError: see `load_language`.
    """
    section = _settings(folder, CONFIG)
    section.require(quantization_config=None)
    return read_language(section)


def as_patches(folder: Path, config: ViTConfig) -> ViTConfig:
    """The panel as a vision-language model reads it: patches alone.

    Of CLIP and SigLIP the second last block, not normalised, as LLaVA does; of others the output.
    """
    family, _ = find_vision(_settings(folder, CONFIG))
    if family in (CLIP, SIGLIP):
        return penultimate(config)
    return replace(config, keep_class_token=False)


def picture_side(folder: Path, config: ViTConfig) -> int:
    """The side in pixels of the square pictures that the panel is to be shown.

    That of its positions; where they may be interpolated, what the picture settings crop or
    resize to.

    Raises:
        ConfigError: it has neither.
    """
    pixels = _optional(folder, PREPROCESSOR)
    given = pixels.values.get("crop_size") or pixels.values.get("size")
    if config.interpolate_positions and isinstance(given, int):
        return given
    if config.interpolate_positions and isinstance(given, Mapping) and "height" in given:
        key = "crop_size" if pixels.values.get("crop_size") else "size"
        return pixels.section(key).count("height")
    return Section(CONFIG, {"image_size": config.image_size}).count("image_size")


def read_end_tokens(folder: Path, tokenizer: Tokenizer) -> tuple[str, ...]:
    """The special tokens that end what the language model writes.

    Raises:
        ConfigError: no file names one, or an id is no special token.
    """
    config = _settings(folder, CONFIG)
    config = config.over(**language_family(config).defaults)
    generation = _optional(folder, GENERATION)
    has_ends = generation.values.get("eos_token_id") is not None
    return tokens_of(generation if has_ends else config, "eos_token_id", tokenizer)


def read_beginning(folder: Path) -> str:
    """The token that the tokenizer's settings begin a sequence with; empty where none."""
    token: object = _optional(folder, TOKENIZER_CONFIG).values.get("bos_token") or ""
    is_group = isinstance(token, Mapping)
    return str(cast(Mapping[str, object], token).get("content", "") if is_group else token)


def read_template(folder: Path) -> str | None:
    """The chat template of a language model; None where it is no chat model."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    source = _optional(folder, TOKENIZER_CONFIG).values.get("chat_template")
    return source if isinstance(source, str) else None


def max_positions(folder: Path) -> int:
    """The longest sequence that the language model was made for."""
    config = _settings(folder, CONFIG)
    config = config.over(**language_family(config).defaults)
    return config.count("max_position_embeddings")


def _vision_name(name: str, family: PublishedVision) -> str | None:
    name = renamed(name, family.renames)
    return None if name.startswith(family.unread) or _is_computed(name) else name


def _language_name(name: str) -> str | None:
    if _is_computed(name):
        return None
    return name if name.startswith(("model.", "lm_head.")) else f"model.{name}"


def _is_computed(name: str) -> bool:
    """Tables that old versions of transformers stored along with the weights."""
    return name.endswith(("position_ids", ".inv_freq"))


def _settings(folder: Path, name: str) -> Section:
    recover_folder(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a published model")
    plain: Any = read_json(folder / name)
    if not isinstance(plain, dict):
        raise CheckpointError(f"{folder / name} holds no settings; is {folder} a model?")
    return Section(str(folder / name), cast(dict[str, Any], plain))


def _optional(folder: Path, name: str) -> Section:
    if not (folder / name).is_file():
        return Section(str(folder / name), {})
    return _settings(folder, name)
