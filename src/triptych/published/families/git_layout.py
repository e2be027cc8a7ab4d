"""GIT's weights as published: which tensor is which of ours.

    ours                         published
    vision                       git.image_encoder.vision_model
    connector.projection, norm   git.visual_projection.visual_projection.0, .1
    language.blocks.N            git.encoder.layer.N
    language.embedding, ...      git.embeddings
    language.lm_head             output, with a bias

The head is no part of the embedding table, and has a bias of its own.
"""

from triptych.fusion.vlm import VLMConfig
from triptych.published.tensors import (
    PanelNames,
    PublishedTensor,
    published_tensors,
)
from triptych.published.vision_names import CLIP_NAMES

NAMES = {
    "vision": CLIP_NAMES.under("git.image_encoder.vision_model."),
    "connector": PanelNames(
        outside={
            "projection": "git.visual_projection.visual_projection.0",
            "norm": "git.visual_projection.visual_projection.1",
        }
    ),
    "language": PanelNames(
        outside={
            "embedding": "git.embeddings.word_embeddings",
            "position_embedding": "git.embeddings.position_embeddings",
            "embedding_norm": "git.embeddings.LayerNorm",
            "lm_head": "output",
        },
        stack="git.encoder.layer",
        in_block={
            **{f"attention.{part}": f"attention.self.{part}" for part in ("query", "key", "value")},
            "attention.out": "attention.output.dense",
            "norm_1": "attention.output.LayerNorm",
            "mlp.up": "intermediate.dense",
            "mlp.down": "output.dense",
            "norm_2": "output.LayerNorm",
        },
    ),
}


def git_tensors(config: VLMConfig) -> list[PublishedTensor]:
    """Every tensor of ours under its published name, in the order of our modules."""
    return published_tensors(config, NAMES, "GIT")


def is_skipped(name: str) -> bool:
    """Tables that are computed."""
    return name.endswith(".position_ids")
