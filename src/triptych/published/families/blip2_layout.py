"""What BLIP-2 calls its parameters, in its generative form and as a retriever.

ours                    Hub
vision                  vision_model            query, key and value in one matrix
connector.queries       query_tokens
connector               qformer
connector.text_embedding                        embeddings (retriever)
connector.language_projection                   language_projection, or vision_projection
"""

from dataclasses import replace
from typing import Any

from triptych.connector import QFormerConfig, QFormerTextConfig
from triptych.published.settings import Section, published_activation
from triptych.published.tensors import PanelNames
from triptych.published.vision import read_sizes
from triptych.vision import ViTConfig, eva_vit_g14

_PARTS = ("attention.query", "attention.key", "attention.value")

EVA_NAMES = PanelNames(
    outside={
        "class_token": "embeddings.class_embedding",
        "positions": "embeddings.position_embedding",
        "patch": "embeddings.patch_embedding",
        "final_norm": "post_layernorm",
    },
    stack="encoder.layers",
    in_block={
        "norm_1": "layer_norm1",
        **dict.fromkeys(_PARTS, "self_attn.qkv"),
        "attention.out": "self_attn.projection",
        "norm_2": "layer_norm2",
        "mlp.up": "mlp.fc1",
        "mlp.down": "mlp.fc2",
    },
    outer_axes={"class_token": 2, "positions": 1},
).under("vision_model.")


def _attention(ours: str, theirs: str) -> dict[str, str]:
    return {
        **{f"{ours}.{part}": f"{theirs}.{part}" for part in _PARTS},
        f"{ours}.attention.out": f"{theirs}.output.dense",
        f"{ours}.norm": f"{theirs}.output.LayerNorm",
    }


def _mlp(ours: str, widen: str, narrow: str) -> dict[str, str]:
    return {
        f"{ours}.mlp.up": f"{widen}.dense",
        f"{ours}.mlp.down": f"{narrow}.dense",
        f"{ours}.norm": f"{narrow}.LayerNorm",
    }


def qformer_names(projection: str) -> PanelNames:
    """Of the Q-Former, text side included, its projection under the name given."""
    return PanelNames(
        outside={
            "queries": "query_tokens",
            "norm": "qformer.layernorm",
            "text_embedding.word": "embeddings.word_embeddings",
            "text_embedding.position": "embeddings.position_embeddings",
            "language_projection": projection,
        },
        blocks="layers",
        stack="qformer.encoder.layer",
        in_block={
            **_attention("attention", "attention"),
            **_attention("cross_attention", "crossattention"),
            **_mlp("query_mlp", "intermediate_query", "output_query"),
            **_mlp("text_mlp", "intermediate", "output"),
        },
        outer_axes={"queries": 1},
    )


def is_computed(name: str) -> bool:
    """Tables that old versions of transformers stored along with the weights."""
    return name.endswith(".position_ids")


VISION = {
    "hidden_size": 1408,
    "intermediate_size": 6144,
    "num_hidden_layers": 39,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
}
QFORMER = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "layer_norm_eps": 1e-12,
    "cross_attention_frequency": 2,
    "use_qformer_text_input": False,
}
"""Settings that a file may leave out."""


def read_eva(whole: Section, pixels: Section) -> ViTConfig:
    """The vision panel, with the colours of the picture settings.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section = whole.section("vision_config").over(**VISION)
    section.require(attention_dropout=0.0)
    return replace(
        eva_vit_g14(),
        **read_sizes(section),
        qkv_bias=section.flag("qkv_bias"),
        key_bias=None,
        pixel_mean=pixels.numbers("image_mean"),
        pixel_std=pixels.numbers("image_std"),
    )


def write_eva(vision: ViTConfig) -> dict[str, Any]:
    """The settings that `read_eva` reads."""
    return {
        "model_type": "blip_2_vision_model",
        "attention_dropout": 0.0,
        "hidden_act": published_activation(vision.activation),
        "hidden_size": vision.dim,
        "image_size": vision.image_size,
        "intermediate_size": vision.ffn_dim,
        "layer_norm_eps": vision.norm_eps,
        "num_attention_heads": vision.num_heads,
        "num_hidden_layers": vision.depth,
        "patch_size": vision.patch_size,
        "qkv_bias": vision.qkv_bias,
    }


def read_qformer(whole: Section, *, text: bool) -> QFormerConfig:
    """The Q-Former, with its text side or without.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    section = whole.section("qformer_config").over(**QFORMER)
    section.require(hidden_act="gelu", use_qformer_text_input=text)
    side = QFormerTextConfig(
        vocab_size=section.count("vocab_size"),
        max_positions=section.count("max_position_embeddings"),
    )
    return QFormerConfig(
        num_queries=whole.over(num_query_tokens=32).count("num_query_tokens"),
        dim=section.count("hidden_size"),
        depth=section.count("num_hidden_layers"),
        num_heads=section.count("num_attention_heads"),
        ffn_dim=section.count("intermediate_size"),
        cross_attention_every=section.count("cross_attention_frequency"),
        norm_eps=section.number("layer_norm_eps"),
        dropout=section.share("hidden_dropout_prob"),
        text=side if text else None,
    )


def write_qformer(config: QFormerConfig, vision_dim: int) -> dict[str, Any]:
    """The settings that `read_qformer` reads."""
    text = config.text or QFormerTextConfig()
    return {
        "model_type": "blip_2_qformer",
        "attention_probs_dropout_prob": config.dropout,
        "cross_attention_frequency": config.cross_attention_every,
        "encoder_hidden_size": vision_dim,
        "hidden_act": "gelu",
        "hidden_dropout_prob": config.dropout,
        "hidden_size": config.dim,
        "intermediate_size": config.ffn_dim,
        "layer_norm_eps": config.norm_eps,
        "max_position_embeddings": text.max_positions,
        "num_attention_heads": config.num_heads,
        "num_hidden_layers": config.depth,
        "use_qformer_text_input": config.text is not None,
        "vocab_size": text.vocab_size,
    }


def key_bias_as_read(vision: ViTConfig) -> ViTConfig:
    """The same panel in the words that reading uses, and without what concerns training alone."""
    key_bias = None if vision.key_bias == vision.qkv_bias else vision.key_bias
    return replace(vision, dropout=0.0, key_bias=key_bias)
