"""Kosmos-2's weights as published: which tensor is which of ours.

    ours                               published
    vision                             vision_model.model
    connector.queries, projection      image_to_text_projection.latent_query, dense
    connector.attention                image_to_text_projection.x_attn
    language.blocks.N                  text_model.model.layers.N
    language.embedding, also the head  text_model.model.embed_tokens

The head may be in a file too, and is then the embedding table.
"""

from triptych.fusion.vlm import VLMConfig
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.vision_names import CLIP_NAMES

_ATTENTION = {f"attention.{part}": f"{part[0]}_proj" for part in ("query", "key", "value")}
NAMES = {
    "vision": CLIP_NAMES.under("vision_model.model."),
    "connector": PanelNames(
        outside={
            "queries": "image_to_text_projection.latent_query",
            "projection": "image_to_text_projection.dense",
            **{
                ours: f"image_to_text_projection.x_attn.{name}"
                for ours, name in {**_ATTENTION, "attention.out": "out_proj"}.items()
            },
        }
    ),
    "language": PanelNames(
        outside={
            "embedding": "text_model.model.embed_tokens",
            "norm": "text_model.model.layer_norm",
            "lm_head": "text_model.lm_head",
        },
        stack="text_model.model.layers",
        in_block={
            "norm_1": "self_attn_layer_norm",
            **{ours: f"self_attn.{name}" for ours, name in _ATTENTION.items()},
            "attention.inner_norm": "self_attn.inner_attn_ln",
            "attention.out": "self_attn.out_proj",
            "norm_2": "final_layer_norm",
            "mlp.up": "ffn.fc1",
            "mlp.inner_norm": "ffn.ffn_layernorm",
            "mlp.down": "ffn.fc2",
        },
    ),
}


def kosmos2_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its published name, in the order of our modules."""
    return published_tensors(config, NAMES, "Kosmos-2")


def is_skipped(name: str) -> bool:
    """Tables that are computed."""
    return name.endswith((".position_ids", ".embed_positions.weights"))
