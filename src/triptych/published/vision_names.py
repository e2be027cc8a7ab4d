"""What published vision transformers call their parameters; a page of tables, nothing else."""

from dataclasses import replace

from triptych.published.tensors import PanelNames

_SEPARATE = {f"attention.{part}": f"self_attn.{part[0]}_proj" for part in ("query", "key", "value")}
_FUSED = dict.fromkeys(("attention.query", "attention.key", "attention.value"), "attn.qkv")
_OF_VIT = {
    **{f"attention.{part}": f"attention.attention.{part}" for part in ("query", "key", "value")},
    "attention.out": "attention.output.dense",
}
_MLP = {"mlp.up": "mlp.fc1", "mlp.down": "mlp.fc2"}

CLIP_NAMES = PanelNames(
    outside={
        "class_token": "embeddings.class_embedding",
        "patch": "embeddings.patch_embedding",
        "positions": "embeddings.position_embedding.weight",
        "pre_norm": "pre_layrnorm",
        "final_norm": "post_layernorm",
    },
    stack="encoder.layers",
    in_block={
        "norm_1": "layer_norm1",
        **_SEPARATE,
        "attention.out": "self_attn.out_proj",
        "norm_2": "layer_norm2",
        **_MLP,
    },
)
"""CLIP's and SigLIP's."""

_VIT_OUTSIDE = {
    "class_token": "embeddings.cls_token",
    "registers": "embeddings.register_tokens",
    "positions": "embeddings.position_embeddings",
    "patch": "embeddings.patch_embeddings.projection",
    "final_norm": "layernorm",
}
_VIT_AXES = {"class_token": 2, "positions": 1, "registers": 1}
VIT_NAMES = PanelNames(
    outside=_VIT_OUTSIDE,
    stack="encoder.layer",
    in_block={
        "norm_1": "layernorm_before",
        **_OF_VIT,
        "norm_2": "layernorm_after",
        "mlp.up": "intermediate.dense",
        "mlp.down": "output.dense",
    },
    outer_axes=_VIT_AXES,
)
"""Google's ViT."""

DINOV2_NAMES = replace(
    VIT_NAMES,
    in_block={
        "norm_1": "norm1",
        **_OF_VIT,
        "scale_1": "layer_scale1.lambda1",
        "norm_2": "norm2",
        **_MLP,
        "scale_2": "layer_scale2.lambda1",
    },
)
"""ViT's, with a factor on every branch and other names inside a block."""

INTERNVL_NAMES = replace(
    VIT_NAMES,
    in_block={
        "norm_1": "layernorm_before",
        **{f"attention.{part}": f"attention.{part[0]}_proj" for part in ("query", "key", "value")},
        "attention.query_norm": "attention.q_norm",
        "attention.key_norm": "attention.k_norm",
        "attention.out": "attention.projection_layer",
        "scale_1": "lambda_1",
        "norm_2": "layernorm_after",
        **_MLP,
        "scale_2": "lambda_2",
    },
)
"""InternViT as in transformers."""

INTERN_NAMES = PanelNames(
    outside={
        "class_token": "embeddings.class_embedding",
        "positions": "embeddings.position_embedding",
        "patch": "embeddings.patch_embedding",
    },
    stack="encoder.layers",
    in_block={
        "norm_1": "norm1",
        **_FUSED,
        "attention.query_norm": "attn.q_norm",
        "attention.key_norm": "attn.k_norm",
        "attention.out": "attn.proj",
        "scale_1": "ls1",
        "norm_2": "norm2",
        **_MLP,
        "scale_2": "ls2",
    },
    outer_axes=_VIT_AXES,
)
"""InternViT as its authors publish it."""
