"""InternVL in its authors' layout: the same weights under other names, beside transformers."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.parity.families import internvl
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint import files
from triptych.checkpoint.layouts import import_model
from triptych.inputs import ModelInputs

RENAMES = {
    "model.vision_tower.encoder.layer.": "vision_model.encoder.layers.",
    "model.vision_tower.embeddings.cls_token": "vision_model.embeddings.class_embedding",
    "model.vision_tower.embeddings.position_embeddings": (
        "vision_model.embeddings.position_embedding"
    ),
    "model.vision_tower.embeddings.patch_embeddings.projection": (
        "vision_model.embeddings.patch_embedding"
    ),
    "attention.projection_layer": "attn.proj",
    "attention.q_norm": "attn.q_norm",
    "attention.k_norm": "attn.k_norm",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "lambda_1": "ls1",
    "lambda_2": "ls2",
    "model.multi_modal_projector.layer_norm": "mlp1.0",
    "model.multi_modal_projector.linear_1": "mlp1.1",
    "model.multi_modal_projector.linear_2": "mlp1.3",
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
}


def authors_state(model: Any) -> dict[str, Tensor]:
    """The reference's weights as the authors name them, query, key and value in one matrix."""
    state: dict[str, Tensor] = {}
    fused: dict[str, list[Tensor]] = {}
    for name, tensor in model.state_dict().items():
        for theirs, authors in RENAMES.items():
            name = name.replace(theirs, authors)
        for part in ("q_proj", "k_proj", "v_proj"):
            if f".attention.{part}" in name:
                whole = name.replace(f".attention.{part}", ".attn.qkv")
                fused.setdefault(whole, []).append(tensor)
                break
        else:
            state[name] = tensor
    return {**state, **{name: torch.cat(parts) for name, parts in fused.items()}}


def save(folder: Path, model: Any, **changes: Any) -> None:
    """Write the folder as the authors do: no chat template, settings of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_tensors(folder / "model.safetensors", authors_state(model))
    internvl.tokenizer().save(folder / "tokenizer.json")
    eyes = model.config.vision_config.to_dict()
    vision = {
        "model_type": "intern_vit_6b",
        "image_size": internvl.TILE,
        "patch_size": 4,
        "qkv_bias": eyes["attention_bias"],
        "qk_normalization": eyes["use_qk_norm"],
        **{
            key: eyes[key]
            for key in (
                "hidden_size",
                "intermediate_size",
                "layer_norm_eps",
                "norm_type",
                "num_attention_heads",
                "num_hidden_layers",
            )
        },
    }
    language = json.loads(json.dumps(model.config.text_config.to_dict(), default=str))
    config = {
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "model_type": "internvl_chat",
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": internvl.TILE,
        "llm_config": language,
        "max_dynamic_patch": 6,
        "min_dynamic_patch": 1,
        "pad2square": False,
        "ps_version": "v2",
        "select_layer": -1,
        "template": "internvl2_5",
        "use_backbone_lora": 0,
        "use_llm_lora": 0,
        "use_thumbnail": True,
        "vision_config": vision,
        **changes,
    }
    pixels = {
        "feature_extractor_type": "CLIPFeatureExtractor",
        "crop_size": internvl.TILE,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
        "size": internvl.TILE,
    }
    for name, plain in (("config", config), ("preprocessor_config", pixels)):
        (folder / f"{name}.json").write_text(json.dumps(plain))


def row(family: str, folder: Path, model: Any) -> ParityRow:
    save(folder, model)
    ours = import_model(folder)
    counts: list[int] = []

    def arguments(inputs: ModelInputs) -> dict[str, Tensor]:
        counts[:] = [span.num_slots for span in inputs.spans]
        return internvl.given_to(inputs)

    def looked(given: Given) -> Any:
        return model.model.get_image_features(given["pixel_values"], return_dict=True)

    return measured(
        family,
        ours,
        model,
        internvl.BATCH,
        arguments,
        vision=lambda given: list(looked(given).last_hidden_state[:, 1:]),
        connector=lambda given: list(looked(given).pooler_output.flatten(0, 1).split(counts)),
    )


# Seeds whose answers are not one word over and over.
KINDS: dict[str, dict[str, Any]] = {
    "Qwen2": {"seed": 1},
    "Llama, InternViT-6B": {
        "text": "llama",
        "norm_type": "rms_norm",
        "use_qk_norm": True,
        "attention_bias": False,
        "seed": 1,
    },
}
reference = internvl.reference


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"InternVL-Chat ({name})", Path(folder) / str(index), reference(**options))
            for index, (name, options) in enumerate(KINDS.items())
        ]
