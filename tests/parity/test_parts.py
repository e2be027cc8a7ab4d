"""Published parts: what transformers saved is read here, and puts out the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.checkpoint.published_llava import randomise
from tests.language.reference import SHAPE, worst_difference
from torch import Tensor

from triptych.architectures import debug_tokenizer
from triptych.checkpoint.files import read_tensors, write_tensors
from triptych.checkpoint.parts import load_language, load_vision

transformers = pytest.importorskip("transformers")

TOLERANCE = 2e-5
"""Measured worst cases on a CPU: InternViT 2.4e-6, DINOv2 2.2e-6, CLIP 2.0e-6, ViT 1.9e-6, SigLIP
1.5e-6, where features spread by 1; language models 8e-7, where logits do so."""

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "attn_implementation": "eager",
}
WIDE = {**SMALL, "intermediate_size": 48}


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def pictures(side: int = 32) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


def difference(folder: Path, theirs: Tensor, pixels: Tensor) -> float:
    """Largest difference between our sequence of features and theirs."""
    config, state = load_vision(folder)
    panel = config.build().eval()
    panel.load_state_dict(state)
    ours = panel(pixels).sequence()
    assert ours.shape == theirs.shape and theirs.std() > 0.1
    return float((ours - theirs).abs().max())


def clip_config() -> Any:
    return transformers.CLIPVisionConfig(**WIDE)


def test_vit_is_read_alone_and_below_a_classifier(tmp_path):
    config = transformers.ViTConfig(**WIDE)
    alone = randomise(transformers.ViTModel(config))
    alone.save_pretrained(tmp_path / "vit")
    theirs = alone(pictures()).last_hidden_state
    assert difference(tmp_path / "vit", theirs, pictures()) <= TOLERANCE
    sorting = randomise(transformers.ViTForImageClassification(config))
    sorting.save_pretrained(tmp_path / "sorting")
    theirs = sorting.vit(pictures()).last_hidden_state
    assert difference(tmp_path / "sorting", theirs, pictures()) <= TOLERANCE


def test_clip_is_read_alone_and_as_half_of_a_whole(tmp_path):
    text = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    whole_config = transformers.CLIPConfig(vision_config=WIDE, text_config=text)
    whole = randomise(transformers.CLIPModel(whole_config))
    whole.save_pretrained(tmp_path / "whole")
    alone = randomise(transformers.CLIPVisionModel(clip_config()))
    alone.save_pretrained(tmp_path / "alone")
    for name, reference in (("whole", whole.vision_model), ("alone", alone)):
        last = reference(pictures()).last_hidden_state
        theirs = reference.post_layernorm(last)
        assert difference(tmp_path / name, theirs, pictures()) <= TOLERANCE


def test_siglip_is_read_without_its_pooling_head(tmp_path):
    reference = randomise(transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**WIDE)))
    reference.save_pretrained(tmp_path / "siglip")
    theirs = reference(pictures()).last_hidden_state
    assert difference(tmp_path / "siglip", theirs, pictures()) <= TOLERANCE


@pytest.mark.parametrize("side", [32, 48, 24], ids=["learned size", "larger", "smaller"])
@pytest.mark.parametrize("kind", ["Dinov2", "Dinov2WithRegisters"])
def test_dinov2_is_read_with_layer_scale_and_registers(tmp_path, kind, side):
    config = getattr(transformers, f"{kind}Config")(**SMALL, mlp_ratio=2)
    reference = randomise(getattr(transformers, f"{kind}Model")(config))
    reference.save_pretrained(tmp_path / kind)
    theirs = reference(pictures(side)).last_hidden_state
    if kind == "Dinov2WithRegisters":  # ours keeps registers to itself
        theirs = torch.cat([theirs[:, :1], theirs[:, 5:]], dim=1)
    assert difference(tmp_path / kind, theirs, pictures(side)) <= TOLERANCE


def intern(**options: object) -> Any:
    from transformers.models.internvl import InternVLVisionConfig, InternVLVisionModel

    return randomise(InternVLVisionModel(InternVLVisionConfig(**WIDE, **options)))


INTERN_KINDS = [
    {"attention_bias": True},
    {"attention_bias": False, "norm_type": "rms_norm", "use_qk_norm": True},
]


@pytest.mark.parametrize("options", INTERN_KINDS, ids=["300M", "6B"])
def test_intern_vit_is_read_in_both_layouts(tmp_path, options):
    reference = intern(**options)
    reference.save_pretrained(tmp_path / "internvl")
    theirs = reference(pictures()).last_hidden_state
    assert difference(tmp_path / "internvl", theirs, pictures()) <= TOLERANCE
    as_its_authors(tmp_path / "internvl", tmp_path / "original", options)
    assert difference(tmp_path / "original", theirs, pictures()) <= TOLERANCE
    within_a_whole(tmp_path / "internvl", "internvl", "vision_tower.")
    within_a_whole(tmp_path / "original", "internvl_chat", "vision_model.")
    for name in ("internvl", "original"):
        assert difference(tmp_path / name, theirs, pictures()) <= TOLERANCE


def within_a_whole(folder: Path, model_type: str, prefix: str) -> None:
    """The same folder, its panel now part of a larger model."""
    state = read_tensors(folder / "model.safetensors")
    whole = {prefix + name: tensor for name, tensor in state.items()}
    connector = "mlp1." if model_type == "internvl_chat" else "multi_modal_projector."
    whole |= {"language_model.norm": torch.ones(3), f"{connector}norm": torch.ones(3)}
    write_tensors(folder / "model.safetensors", whole)
    own = json.loads((folder / "config.json").read_text())
    settings = {"model_type": model_type, "vision_config": own}
    (folder / "config.json").write_text(json.dumps(settings))


ORIGINAL = {
    "encoder.layer.": "encoder.layers.",
    "embeddings.cls_token": "embeddings.class_embedding",
    "patch_embeddings.projection": "patch_embedding",
    "position_embeddings": "position_embedding",
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "lambda_": "ls",
    "attention.projection_layer": "attn.proj",
    "attention.q_norm": "attn.q_norm",
    "attention.k_norm": "attn.k_norm",
}


def as_its_authors(source: Path, folder: Path, options: dict[str, Any]) -> None:
    """The same weights as OpenGVLab publishes them: other names, query, key and value as one."""
    state = read_tensors(source / "model.safetensors")
    fused: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if any(part in name for part in ("k_proj", "v_proj")):
            continue
        if "q_proj" in name:
            parts = [state[name.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            name, tensor = name.replace("attention.q_proj", "attn.qkv"), torch.cat(parts)
        for theirs, original in ORIGINAL.items():
            name = name.replace(theirs, original)
        fused[name] = tensor
    write_tensors(folder / "model.safetensors", fused)
    config = {
        "model_type": "intern_vit_6b",
        **{key: value for key, value in WIDE.items() if key != "attn_implementation"},
        "qkv_bias": options["attention_bias"],
        "qk_normalization": options.get("use_qk_norm", False),
        "norm_type": options.get("norm_type", "layer_norm"),
    }
    (folder / "config.json").write_text(json.dumps(config))


ROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
LANGUAGES = {
    "llama": ("Llama", {}),
    "llama with biases": ("Llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 12}),
    "smollm": ("Llama", {"tie_word_embeddings": True}),
    "mistral": ("Mistral", {"sliding_window": 4}),
    "mistral without a window": ("Mistral", {"sliding_window": None}),
    "qwen2": ("Qwen2", {}),
    "tied qwen2": ("Qwen2", {"tie_word_embeddings": True}),
}


@pytest.mark.parametrize("kind", list(LANGUAGES))
def test_a_language_model_says_the_same(tmp_path, kind):
    family, options = LANGUAGES[kind]
    vocab = {"vocab_size": 330}
    config = getattr(transformers, f"{family}Config")(**{**SHAPE, **ROPE, **options, **vocab})
    reference = randomise(getattr(transformers, f"{family}ForCausalLM")(config))
    reference.save_pretrained(tmp_path / "part")
    debug_tokenizer(("<s>", "</s>")).save(tmp_path / "part" / "tokenizer.json")
    config, state, tokenizer = load_language(tmp_path / "part")
    decoder = config.build().eval()
    decoder.load_state_dict(state)
    assert worst_difference(decoder, reference) <= TOLERANCE
    assert tokenizer.vocab_size <= config.vocab_size
