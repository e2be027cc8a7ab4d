"""Kosmos-2 as a published family: its settings both ways, and how others load it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from triptych.architectures.architecture import Architecture
from triptych.architectures.kosmos2 import kosmos2
from triptych.connector import LatentQueriesConfig
from triptych.errors import ConfigError
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, SinusoidalConfig
from triptych.language.decoder import INITIAL_STD
from triptych.media import FixedResizeConfig, PicturePolicy
from triptych.published.chat import write_ids, write_template, write_tokens
from triptych.published.families.kosmos2_layout import is_skipped, kosmos2_tensors
from triptych.published.family import (
    CONFIG,
    GENERATION,
    PREPROCESSOR,
    PROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
    Settings,
)
from triptych.published.pictures import read_resize, write_resize
from triptych.published.settings import (
    Section,
    as_run,
    check_equal,
    published_activation,
    read_activation,
)
from triptych.published.text import opening, tokens_of
from triptych.published.vision import CLIP, read_vision, write_clip_or_siglip
from triptych.text import KOSMOS2, CellsConfig, Tokenizer
from triptych.vision import ViTConfig

TITLE, CLASS, KIND = "Kosmos-2", "Kosmos2ForConditionalGeneration", "kosmos-2"
"""The family, what the published code calls the model, and what its settings call it."""

_TEXT_DEFAULTS: dict[str, object] = {
    "vocab_size": 65_037,
    "max_position_embeddings": 2048,
    "embed_dim": 2048,
    "layers": 24,
    "ffn_dim": 8192,
    "attention_heads": 32,
    "activation_function": "gelu",
    "dropout": 0.1,
    "layer_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
_VISION_DEFAULTS: dict[str, object] = {
    "model_type": "kosmos_2_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
}
"""Settings that a file may leave out, as transformers has them."""


class _Parts(NamedTuple):
    """The parts of an architecture of this family, each of its kind."""

    vision: ViTConfig
    connector: LatentQueriesConfig
    language: DecoderConfig


def _parts(architecture: Architecture) -> _Parts | None:
    model = architecture.model
    if (
        not isinstance(model.vision, ViTConfig)
        or not isinstance(model.connector, LatentQueriesConfig)
        or not isinstance(model.language.positions, SinusoidalConfig)
    ):
        return None
    return _Parts(model.vision, model.connector, model.language)


def _read(files: PublishedFiles, name: str) -> Architecture:
    model = read_model(files.config, files.pixels)
    text = Section("config.json", files.config).section("text_config").over(**_TEXT_DEFAULTS)
    generation = Section("generation_config.json", files.generation)
    has_ends = files.generation.get("eos_token_id") is not None
    for mark in ("<image>", "</image>"):
        files.tokenizer.special(mark)
    template = replace(
        KOSMOS2,
        source=files.template.removeprefix(opening({"image_token": KOSMOS2.image_token})),
        end_tokens=tokens_of(generation if has_ends else text, "eos_token_id", files.tokenizer),
        bos_token=tokens_of(text, "bos_token_id", files.tokenizer)[0],
    )
    family = kosmos2()
    processor = replace(
        family.processor,
        resize=_read_resize(Section("preprocessor_config.json", files.pixels)),
        template=template,
        coordinates=_cells(files.tokenizer),
        max_tokens=text.count("max_position_embeddings"),
    )
    return replace(family, name=name, model=model, processor=processor)


def _cells(tokenizer: Tokenizer) -> CellsConfig | None:
    """How places are written, as far as the tokenizer has tokens for cells."""
    start = CellsConfig().cell.partition("{")[0]
    num_cells = sum(token.startswith(start) for token in tokenizer.special_tokens)
    return CellsConfig(side=math.isqrt(num_cells)) if num_cells else None


def _read_resize(pixels: Section) -> PicturePolicy:
    """The published settings name an edge and a crop, and then ask for a square all the same."""
    resize = read_resize(pixels)
    if not pixels.values.get("use_square_size"):
        return resize
    height, width = resize.target_size(1, 1)
    return FixedResizeConfig(height=height, width=width, interpolation=resize.interpolation)


def read_model(config: Settings, pixels: Settings) -> VLMConfig:
    """The model that `config.json` and `preprocessor_config.json` describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
    """
    whole = Section("config.json", config).over(latent_query_num=64)
    whole.require(model_type=KIND, quantization_config=None)
    language = _read_decoder(whole.section("text_config").over(**_TEXT_DEFAULTS))
    eyes = whole.section("vision_config").over(**_VISION_DEFAULTS)
    eyes.require(model_type="kosmos_2_vision_model")
    colours = Section("preprocessor_config.json", pixels)
    vision = replace(
        read_vision(CLIP, eyes),
        pixel_mean=colours.numbers("image_mean"),
        pixel_std=colours.numbers("image_std"),
    )
    connector = LatentQueriesConfig(
        num_queries=whole.count("latent_query_num"), num_heads=language.num_heads
    )
    return VLMConfig(vision=vision, connector=connector, language=language)


def _read_decoder(text: Section) -> DecoderConfig:
    text.require(
        model_type="kosmos_2_text_model",
        add_cross_attention=False,
        scale_embedding=True,
        tie_word_embeddings=True,
    )
    num_heads, dropout = text.count("attention_heads"), text.values["dropout"]
    return replace(
        kosmos2().model.language,
        vocab_size=text.count("vocab_size"),
        dim=text.count("embed_dim"),
        depth=text.count("layers"),
        num_heads=num_heads,
        num_kv_heads=num_heads,
        ffn_dim=text.count("ffn_dim"),
        norm_eps=text.number("layer_norm_eps"),
        activation=read_activation(text, "activation_function"),
        dropout=float(dropout) if dropout else 0.0,
    )


def _write(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> Mapping[str, Settings]:
    parts, processor = _parts(architecture), architecture.processor
    if parts is None:
        raise ConfigError(f"{architecture.name} is not of the {TITLE} family")
    ids = write_ids(processor.template, tokenizer)
    eyes = write_clip_or_siglip(parts.vision)
    del eyes["projection_dim"]
    config = {
        "architectures": [CLASS],
        "model_type": KIND,
        "torch_dtype": dtype,
        "latent_query_num": parts.connector.num_queries,
        "text_config": {
            **_write_decoder(parts.language, processor.max_tokens),
            **ids,
            "eos_token_id": ids["eos_token_id"][0],
        },
        "tie_word_embeddings": parts.language.tied,
        "vision_config": {**eyes, "model_type": "kosmos_2_vision_model"},
    }
    pixels = {
        **write_resize(processor.resize, parts.vision),
        "processor_class": "Kosmos2Processor",
    }
    told, found = (_as_run(each) for each in (architecture.model, read_model(config, pixels)))
    check_equal(TITLE, "model", told, found)
    read_back = _read_resize(Section("preprocessor_config.json", pixels))
    check_equal(TITLE, "processor.resize", processor.resize, read_back)
    check_equal(TITLE, "coordinates", processor.coordinates, _cells(tokenizer))
    tokens = write_tokens(processor, tokenizer, "Kosmos2Processor", {})
    return {
        CONFIG: config,
        PREPROCESSOR: pixels,
        PROCESSOR: {
            "processor_class": "Kosmos2Processor",
            "num_patch_index_tokens": _num_cells(processor.coordinates),
        },
        TOKENIZER_CONFIG: {**tokens, "unk_token": KOSMOS2.image_token},
        GENERATION: {**ids, "do_sample": False},
    }


def _num_cells(coordinates: object) -> int:
    return coordinates.side**2 if isinstance(coordinates, CellsConfig) else 0


def _as_run(model: VLMConfig) -> VLMConfig:
    run = as_run(model)
    return replace(run, language=replace(run.language, dropout=0.0))


def _write_decoder(language: DecoderConfig, max_tokens: int) -> dict[str, Any]:
    return {
        "model_type": "kosmos_2_text_model",
        "activation_dropout": 0.0,
        "activation_function": published_activation(language.activation),
        "add_cross_attention": False,
        "attention_dropout": language.dropout,
        "attention_heads": language.num_heads,
        "dropout": language.dropout,
        "embed_dim": language.dim,
        "ffn_dim": language.ffn_dim,
        "init_std": INITIAL_STD,
        "layer_norm_eps": language.norm_eps,
        "layerdrop": 0.0,
        "layers": language.depth,
        "max_position_embeddings": max_tokens,
        "scale_embedding": language.scale_embeddings,
        "tie_word_embeddings": language.tied,
        "use_cache": True,
        "vocab_size": language.vocab_size,
    }


_LOADING = """\
from PIL import Image
from transformers import AutoProcessor, Kosmos2ForConditionalGeneration

processor = AutoProcessor.from_pretrained("FOLDER")
model = Kosmos2ForConditionalGeneration.from_pretrained("FOLDER")
inputs = processor(
    images=Image.open("photo.jpg"), text="<grounding> An image of", return_tensors="pt"
)
answer = model.generate(
    pixel_values=inputs.pixel_values,
    input_ids=inputs.input_ids,
    attention_mask=inputs.attention_mask,
    image_embeds_position_mask=inputs.image_embeds_position_mask,
    max_new_tokens=64,
)
text = processor.batch_decode(answer, skip_special_tokens=True)[0]
print(processor.post_process_generation(text))
"""

_SERVING = """\
transformers alone: vLLM, SGLang and llama.cpp do not run this family.
"""

_NOTES = """\
- Triptych never reads a special token out of what a person writes. That code does: a message that
  spells `</s>` or `<image>` is taken at its word. Keep such spellings out of messages from
  strangers.
- That code takes one picture a text, in front of it.
"""

KOSMOS2_FAMILY = PublishedFamily(
    title=TITLE,
    model_types=(KIND,),
    class_name=CLASS,
    covers=lambda architecture: _parts(architecture) is not None,
    read=_read,
    write=_write,
    write_template=write_template,
    tensors=kosmos2_tensors,
    is_skipped=is_skipped,
    hub_name=lambda name: name,
    embedding="text_model.model.embed_tokens.weight",
    head="text_model.lm_head.weight",
    default_template=KOSMOS2.source,
    loading=_LOADING,
    serving=_SERVING,
    notes=_NOTES,
)
