"""Dual encoders as published, both ways: what CLIP's and SigLIP's files have in common.

ours                     Hub
vision                   vision_model
language                 text_model
language.projection      text_projection (CLIP), text_model.head (SigLIP)
connector.projection     visual_projection (CLIP)
connector                vision_model.head (SigLIP), query, key and value in one matrix
fusion.log_scale, bias   logit_scale, logit_bias
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from triptych.architectures.scorer import ScorerArchitecture
from triptych.fusion.dual import DualConfig
from triptych.language.text_encoder import TextEncoderConfig
from triptych.pairs import PairProcessorConfig
from triptych.published.family import (
    CONFIG,
    PREPROCESSOR,
    TOKENIZER_CONFIG,
    PublishedFiles,
    Settings,
)
from triptych.published.pictures import write_resize
from triptych.published.settings import Section, published_activation, read_activation
from triptych.published.tensors import PanelNames
from triptych.published.vision import PublishedVision, read_vision
from triptych.text import Tokenizer
from triptych.vision import ViTConfig

TEXT_NAMES = PanelNames(
    outside={
        "embedding": "embeddings.token_embedding",
        "position_embedding": "embeddings.position_embedding",
        "norm": "final_layer_norm",
    },
    stack="encoder.layers",
    in_block={
        "norm_1": "layer_norm1",
        "attention.query": "self_attn.q_proj",
        "attention.key": "self_attn.k_proj",
        "attention.value": "self_attn.v_proj",
        "attention.out": "self_attn.out_proj",
        "norm_2": "layer_norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    },
).under("text_model.")
"""Of the text panel but its projection."""


def text_names(projection: str) -> PanelNames:
    """Of the whole text panel, its projection under the name given."""
    return replace(TEXT_NAMES, outside={**TEXT_NAMES.outside, "projection": projection})


def is_computed(name: str) -> bool:
    """Tables that old versions of transformers stored along with the weights."""
    return name.endswith(".position_ids")


def part_section(config: Settings, part: str, defaults: Mapping[str, object]) -> Section:
    """The settings of one panel.

    Old files repeat a panel's settings under another key, which then outweighs the first together
    with the defaults of what it leaves out.
    """
    whole = Section("config.json", config)
    section, repeated = whole.section(part), whole.section(f"{part}_dict")
    if repeated.values:
        values = {**section.values, **defaults, **repeated.values}
        return Section(section.where, values)
    return section.over(**defaults)


def read_dual_vision(family: PublishedVision, config: Settings, pixels: Section) -> ViTConfig:
    """The vision panel, with the colours of the picture settings.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section = part_section(config, "vision_config", family.defaults)
    section.require(model_type=family.model_types[0], attention_dropout=0.0)
    mean, std = pixels.numbers("image_mean"), pixels.numbers("image_std")
    return replace(read_vision(family, section), pixel_mean=mean, pixel_std=std)


def text_sizes(section: Section) -> dict[str, Any]:
    """Our fields of a text panel that both families share.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section.require(attention_dropout=0.0)
    return {
        "vocab_size": section.count("vocab_size"),
        "dim": section.count("hidden_size"),
        "depth": section.count("num_hidden_layers"),
        "num_heads": section.count("num_attention_heads"),
        "ffn_dim": section.count("intermediate_size"),
        "max_tokens": section.count("max_position_embeddings"),
        "activation": read_activation(section, "hidden_act"),
        "norm_eps": section.number("layer_norm_eps"),
    }


def write_text(config: TextEncoderConfig) -> dict[str, Any]:
    """The settings that `text_sizes` reads."""
    return {
        "attention_dropout": 0.0,
        "hidden_act": published_activation(config.activation),
        "hidden_size": config.dim,
        "intermediate_size": config.ffn_dim,
        "layer_norm_eps": config.norm_eps,
        "max_position_embeddings": config.max_tokens,
        "num_attention_heads": config.num_heads,
        "num_hidden_layers": config.depth,
        "vocab_size": config.vocab_size,
    }


def read_framing(
    files: PublishedFiles, begin: tuple[str, ...], end: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """The special tokens in front of a text and behind it, and the one that fills texts up.

    Those that `tokenizer.json` writes; where it writes none, those of the family.
    """
    framing = files.tokenizer.framing
    begin, end = framing if any(framing) else (begin, end)
    pad: object = files.tokens.get("pad_token")
    content = cast(Settings, pad).get("content") if isinstance(pad, Mapping) else pad
    return begin, end, content if isinstance(content, str) and content else end[-1]


def as_run(model: DualConfig) -> DualConfig:
    """The same model in the words that reading uses, and without what concerns training alone."""
    vision = model.vision
    key_bias = None if vision.key_bias == vision.qkv_bias else vision.key_bias
    return replace(model, vision=replace(vision, dropout=0.0, key_bias=key_bias))


def write_files(
    architecture: ScorerArchitecture,
    tokenizer: Tokenizer,
    config: Settings,
    *,
    processor_class: str,
    input_names: list[str],
) -> Mapping[str, Settings]:
    """Every file of settings, the model's given."""
    processor = architecture.processor
    return {
        CONFIG: config,
        PREPROCESSOR: {
            "processor_class": processor_class,
            **write_resize(processor.resize, architecture.model.vision),
        },
        TOKENIZER_CONFIG: _tokens(processor, tokenizer, processor_class, input_names),
    }


def _tokens(
    processor: PairProcessorConfig,
    tokenizer: Tokenizer,
    processor_class: str,
    input_names: list[str],
) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # reads tokenizer.json as it is
        "processor_class": processor_class,
        "bos_token": processor.begin_tokens[0] if processor.begin_tokens else None,
        "eos_token": processor.end_tokens[-1] if processor.end_tokens else None,
        "pad_token": processor.pad_token,
        "additional_special_tokens": list(tokenizer.special_tokens),
        "model_input_names": input_names,
        "model_max_length": processor.max_tokens,
        "padding_side": "right",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
    }
