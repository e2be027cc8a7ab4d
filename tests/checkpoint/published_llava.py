"""A small LLaVA-1.5 whose sizes are all different, ours and transformers' own, on a folder."""

import json
from pathlib import Path
from typing import Any

import torch
from tests.laws.debug_models import tokenizer_for
from torch import nn

from triptych.text import VICUNA, Tokenizer

SYSTEM = {"role": "system", "content": "You look at pictures."}


def tokenizer() -> Tokenizer:
    return tokenizer_for(VICUNA)


def randomise(model: nn.Module, seed: int = 0) -> Any:
    """Draw every parameter anew: no gate, bias or norm keeps a value that hides a mistake."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        is_factor = parameter.ndim == 1 and (name.endswith("weight") or "lambda" in name)
        parameter.data = 1 + 0.05 * drawn if is_factor else 0.1 * drawn
    return model.eval()


def reference(
    text: str = "llama",
    vision: str = "clip",
    *,
    tied: bool = False,
    layer: int = -2,
    keep_class_token: bool = False,
    seed: int = 0,
) -> Any:
    """Transformers' model; its language panel of a family, its vision panel CLIP or SigLIP."""
    import transformers

    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": 40,
        "patch_size": 8,
    }
    eyes: Any = transformers.CLIPVisionConfig(**sizes)
    if vision == "siglip":
        eyes = transformers.SiglipVisionConfig(**sizes, vision_use_head=False)
    classes: dict[str, Any] = {
        "llama": transformers.LlamaConfig,
        "mistral": transformers.MistralConfig,
        "qwen2": transformers.Qwen2Config,
    }
    ids = tokenizer()
    text_config = classes[text](
        vocab_size=330,
        hidden_size=64,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-5,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 20_000.0},
        bos_token_id=ids.special("<s>"),
        eos_token_id=ids.special("</s>"),
        tie_word_embeddings=tied,
        **({"sliding_window": 20} if text == "mistral" else {}),
    )
    config = transformers.LlavaConfig(
        vision_config=eyes,
        text_config=text_config,
        image_token_index=ids.special("<image>"),
        image_seq_length=25 + keep_class_token,
        vision_feature_layer=layer,
        vision_feature_select_strategy=(
            "full" if keep_class_token or vision == "siglip" else "default"
        ),
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    return randomise(transformers.LlavaForConditionalGeneration(config), seed)


def save(folder: Path, model: Any, *, pads: bool = True) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    ids = tokenizer()
    ids.save(folder / "tokenizer.json")
    is_clip = model.config.vision_config.model_type == "clip_vision_model"
    square = {"height": 40, "width": 40}
    pixels: dict[str, Any] = {
        "image_processor_type": "LlavaImageProcessor" if pads else "CLIPImageProcessor",
        "do_pad": pads,
        "do_center_crop": True,
        "size": {"shortest_edge": 40},
        "crop_size": square,
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    if not is_clip:
        pixels = {
            "image_processor_type": "SiglipImageProcessor",
            "size": square,
            "resample": 3,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "</s>",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))
    source = VICUNA.source.replace("image_token", '"<image>"')
    (folder / "chat_template.jinja").write_text(source)
