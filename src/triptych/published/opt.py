"""Published decoders of the OPT kind: their settings both ways, and the names of their weights."""

from collections.abc import Mapping
from typing import Any

from triptych.language import DecoderConfig, LearnedPositionsConfig
from triptych.language.decoder import INITIAL_STD
from triptych.published.settings import Section, published_activation, read_activation
from triptych.published.tensors import PanelNames

OFFSET = 2
"""Unused rows in front of the learned positions."""

EMBEDDING, HEAD = "model.decoder.embed_tokens.weight", "lm_head.weight"

OPT_NAMES = PanelNames(
    outside={
        "embedding": "model.decoder.embed_tokens",
        "position_embedding": "model.decoder.embed_positions",
        "norm": "model.decoder.final_layer_norm",
        "lm_head": "lm_head",
    },
    stack="model.decoder.layers",
    in_block={
        "norm_1": "self_attn_layer_norm",
        "attention.query": "self_attn.q_proj",
        "attention.key": "self_attn.k_proj",
        "attention.value": "self_attn.v_proj",
        "attention.out": "self_attn.out_proj",
        "norm_2": "final_layer_norm",
        "mlp.up": "fc1",
        "mlp.down": "fc2",
    },
)

DEFAULTS: Mapping[str, object] = {
    "vocab_size": 50_272,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "ffn_dim": 3072,
    "max_position_embeddings": 2048,
    "dropout": 0.1,
    "num_attention_heads": 12,
    "activation_function": "relu",
    "tie_word_embeddings": True,
    "bos_token_id": 2,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
"""Settings that a file may leave out."""


def read_opt(section: Section) -> DecoderConfig:
    """The decoder that a group of published settings describes.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section = section.over(**DEFAULTS)
    dim = section.count("hidden_size")
    section.require(
        word_embed_proj_dim=dim,
        do_layer_norm_before=True,
        _remove_final_layer_norm=False,
        enable_bias=True,
        layer_norm_elementwise_affine=True,
        attention_dropout=0.0,
    )
    num_heads = section.count("num_attention_heads")
    return DecoderConfig(
        vocab_size=section.count("vocab_size"),
        dim=dim,
        depth=section.count("num_hidden_layers"),
        num_heads=num_heads,
        num_kv_heads=num_heads,
        ffn_dim=section.count("ffn_dim"),
        norm="layer",
        activation=read_activation(section, "activation_function"),
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        positions=LearnedPositionsConfig(
            max_positions=section.count("max_position_embeddings"), offset=OFFSET
        ),
        tied=section.flag("tie_word_embeddings"),
        dropout=section.share("dropout"),
    )


def write_opt(config: DecoderConfig) -> dict[str, Any]:
    """The settings that `read_opt` reads; what they cannot say is found by reading them back."""
    positions = config.positions
    assert isinstance(positions, LearnedPositionsConfig)
    return {
        "model_type": "opt",
        "_remove_final_layer_norm": False,
        "activation_function": published_activation(config.activation),
        "attention_dropout": 0.0,
        "do_layer_norm_before": True,
        "dropout": config.dropout,
        "enable_bias": True,
        "ffn_dim": config.ffn_dim,
        "hidden_size": config.dim,
        "init_std": INITIAL_STD,
        "layer_norm_elementwise_affine": True,
        "layerdrop": 0.0,
        "max_position_embeddings": positions.max_positions,
        "num_attention_heads": config.num_heads,
        "num_hidden_layers": config.depth,
        "tie_word_embeddings": config.tied,
        "use_cache": True,
        "vocab_size": config.vocab_size,
        "word_embed_proj_dim": config.dim,
    }
