"""Published decoders of the Llama kind: their settings both ways, and the names of their weights.

    llama      Llama, Vicuna, TinyLlama, SmolLM     biases where the settings ask for them
    mistral    Mistral                              a sliding window where the settings name one
    qwen2      Qwen2, Qwen2.5                       biases on query, key and value
    gemma      Gemma                                scaled embeddings, norms around one, gated GELU

All name their tensors alike. Settings that a file leaves out have the values that
transformers gives them, because its own files leave out just those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from triptych.errors import ConfigError
from triptych.language import DecoderConfig, RotaryConfig
from triptych.language.decoder import INITIAL_STD
from triptych.nn.mlp import Activation
from triptych.published.settings import Section, published_activation
from triptych.published.tensors import PanelNames

LLAMA_NAMES = PanelNames(
    outside={"embedding": "model.embed_tokens", "norm": "model.norm", "lm_head": "lm_head"},
    stack="model.layers",
    in_block={
        "norm_1": "input_layernorm",
        "attention.query": "self_attn.q_proj",
        "attention.key": "self_attn.k_proj",
        "attention.value": "self_attn.v_proj",
        "attention.out": "self_attn.o_proj",
        "norm_2": "post_attention_layernorm",
        "mlp.gate": "mlp.gate_proj",
        "mlp.up": "mlp.up_proj",
        "mlp.down": "mlp.down_proj",
    },
)
"""Shared by all decoders of the kind, Qwen2-VL's included."""

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedLanguage:
    """One family of decoders as it is published."""

    model_type: str
    """What its settings call it."""

    class_name: str
    """What the published code calls it."""

    defaults: Mapping[str, object]
    """Settings that a file may leave out."""

    read: Callable[[Section], dict[str, Any]]
    """Our fields that are particular to the family."""

    write: Callable[[DecoderConfig, int], dict[str, Any]]
    """The same back; also takes the longest sequence."""

    activations: Mapping[str, Activation] = field(
        default_factory=lambda: {"silu": cast(Activation, "silu")}
    )
    """Activations that a file may name, and what they are."""


def read_language(section: Section, *, tied: bool | None = None) -> DecoderConfig:
    """The decoder that a group of published settings describes.

    Args:
        section: The group, which names its `model_type`.
        tied: Whether the head is the embedding table, where another group says so.

    Raises:
        ConfigError: the family is not known, or a setting is missing, malformed or not supported.
    """
    family = language_family(section)
    section = section.over(**family.defaults)
    section.require(attention_dropout=0.0)
    section.one_of("hidden_act", *family.activations)
    dim, num_heads = section.count("hidden_size"), section.count("num_attention_heads")
    return DecoderConfig(
        vocab_size=section.count("vocab_size"),
        dim=dim,
        depth=section.count("num_hidden_layers"),
        num_heads=num_heads,
        num_kv_heads=section.over(num_key_value_heads=num_heads).count("num_key_value_heads"),
        ffn_dim=section.count("intermediate_size"),
        head_dim=_head_dim(section, dim, num_heads),
        norm_eps=section.number("rms_norm_eps"),
        activation=family.activations[section.word("hidden_act")],
        positions=RotaryConfig(theta=_theta(section)),
        tied=section.flag("tie_word_embeddings") if tied is None else tied,
        **family.read(section),
    )


def write_language(config: DecoderConfig, max_tokens: int) -> dict[str, Any]:
    """The settings of a decoder, as the family of its kind publishes them.

    What they cannot say is found by reading them back.
    """
    family = _kind_of(config)
    theta = config.positions.theta if isinstance(config.positions, RotaryConfig) else 10_000.0
    return {
        "architectures": [family.class_name],
        "model_type": family.model_type,
        "attention_dropout": 0.0,
        "head_dim": config.head_width,
        "hidden_act": published_activation(config.activation),
        "hidden_size": config.dim,
        "initializer_range": INITIAL_STD,
        "intermediate_size": config.ffn_dim,
        "max_position_embeddings": max_tokens,
        "num_attention_heads": config.num_heads,
        "num_hidden_layers": config.depth,
        "num_key_value_heads": config.num_kv_heads,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": theta,
        "tie_word_embeddings": config.tied,
        "use_cache": True,
        "vocab_size": config.vocab_size,
        **family.write(config, max_tokens),
    }


def language_family(section: Section) -> PublishedLanguage:
    """The family that a group of settings belongs to.

    Raises:
        ConfigError: none that is known; lists those that are.
    """
    kind = section.values.get("model_type")
    for family in LANGUAGES:
        if kind == family.model_type:
            return family
    known = ", ".join(repr(family.model_type) for family in LANGUAGES)
    raise ConfigError(f"{section.where}: model_type is {kind!r}; supported for language: {known}")


def _kind_of(config: DecoderConfig) -> PublishedLanguage:
    if config.norm == "rms_offset":
        return GEMMA
    if config.qkv_bias and not config.out_bias:
        return QWEN2
    return LLAMA if config.window is None else MISTRAL


def _head_dim(section: Section, dim: int, num_heads: int) -> int | None:
    given = section.over(head_dim=dim // num_heads).count("head_dim")
    return None if given == dim / num_heads else given


def _theta(section: Section) -> float:
    rope = section.section("rope_parameters")
    if not rope.values:
        rope = section.section("rope_scaling")
    for key in ("type", "rope_type"):
        rope.one_of(key, "default")
    for key in sorted(set(rope.values) - {"type", "rope_type", "rope_theta"}):
        rope.one_of(key)
    return (rope if "rope_theta" in rope.values else section).number("rope_theta")


def _read_llama(section: Section) -> dict[str, Any]:
    bias = section.flag("attention_bias")
    return {"qkv_bias": bias, "out_bias": bias, "mlp_bias": section.flag("mlp_bias")}


def _write_llama(config: DecoderConfig, max_tokens: int) -> dict[str, Any]:
    return {"attention_bias": config.out_bias, "mlp_bias": config.mlp_bias}


def _read_mistral(section: Section) -> dict[str, Any]:
    # Left out means 4096, null means none.
    section = Section(section.where, {"sliding_window": 4096, **section.values})
    has_window = section.values["sliding_window"] is not None
    return {"window": section.count("sliding_window") if has_window else None}


def _write_mistral(config: DecoderConfig, max_tokens: int) -> dict[str, Any]:
    return {"sliding_window": config.window}


def _read_qwen2(section: Section) -> dict[str, Any]:
    section.require(use_sliding_window=False)
    return {"qkv_bias": True}


def _write_qwen2(config: DecoderConfig, max_tokens: int) -> dict[str, Any]:
    return {
        "max_window_layers": config.depth,
        "sliding_window": max_tokens,
        "use_sliding_window": False,
    }


def _read_gemma(section: Section) -> dict[str, Any]:
    section.require(attention_bias=False)
    return {"norm": "rms_offset", "scale_embeddings": True}


def _write_gemma(config: DecoderConfig, max_tokens: int) -> dict[str, Any]:
    return {"attention_bias": config.out_bias, "hidden_activation": None}


_SHARED = {
    "hidden_act": "silu",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
    "tie_word_embeddings": False,
}

LLAMA = PublishedLanguage(
    model_type="llama",
    class_name="LlamaForCausalLM",
    defaults={
        **_SHARED,
        "vocab_size": 32_000,
        "intermediate_size": 11_008,
        "max_position_embeddings": 2048,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    read=_read_llama,
    write=_write_llama,
)
MISTRAL = PublishedLanguage(
    model_type="mistral",
    class_name="MistralForCausalLM",
    defaults={
        **_SHARED,
        "vocab_size": 32_000,
        "intermediate_size": 14_336,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131_072,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    read=_read_mistral,
    write=_write_mistral,
)
QWEN2 = PublishedLanguage(
    model_type="qwen2",
    class_name="Qwen2ForCausalLM",
    defaults={
        **_SHARED,
        "vocab_size": 151_936,
        "intermediate_size": 22_016,
        "num_key_value_heads": 32,
        "max_position_embeddings": 32_768,
    },
    read=_read_qwen2,
    write=_write_qwen2,
)

GEMMA = PublishedLanguage(
    model_type="gemma",
    class_name="GemmaForCausalLM",
    defaults={
        **_SHARED,
        "hidden_act": "gelu_pytorch_tanh",
        "vocab_size": 256_000,
        "hidden_size": 3072,
        "intermediate_size": 24_576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 256,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
        "bos_token_id": 2,
        "eos_token_id": 1,
    },
    read=_read_gemma,
    write=_write_gemma,
    # The first files said "gelu" and meant its approximation, with which the models were trained.
    activations={"gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu_tanh"},
)

LANGUAGES = (LLAMA, MISTRAL, QWEN2, GEMMA)
"""Every family of decoders that is read."""
