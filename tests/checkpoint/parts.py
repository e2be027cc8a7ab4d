"""Folders of published parts with weights of ours, written without the reference library."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from triptych.checkpoint.files import write_tensors
from triptych.language import DecoderConfig
from triptych.published.language import LLAMA_NAMES, write_language
from triptych.published.tensors import part_tensors
from triptych.published.vision import write_clip_or_siglip
from triptych.published.vision_names import CLIP_NAMES
from triptych.text import Tokenizer
from triptych.vision import ViTConfig, clip_vit_l14_debug, siglip_base_16_224_debug

CHAT = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<s>", "<|im_start|>", "<|im_end|>")


def moved(module: nn.Module) -> dict[str, Any]:
    """The weights of a module, none of which keeps a fresh value."""
    generator = torch.Generator().manual_seed(2)
    return {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=generator)
        for name, tensor in module.state_dict().items()
    }


def write_vision(folder: Path, kind: str = "clip") -> ViTConfig:
    config = clip_vit_l14_debug() if kind == "clip" else siglip_base_16_224_debug()
    state = moved(config.build())
    tensors = part_tensors(config, CLIP_NAMES, kind)
    write_tensors(folder / "model.safetensors", {each.name: each.join(state) for each in tensors})
    (folder / "config.json").write_text(json.dumps(write_clip_or_siglip(config)))
    return config


def language_config(vocab_size: int = 300, *, tied: bool = False) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=vocab_size,
        dim=48,
        depth=2,
        num_heads=4,
        num_kv_heads=2,
        ffn_dim=80,
        tied=tied,
    )


def write_language_folder(
    folder: Path, *, vocab_size: int | None = None, tied: bool = False, chats: bool = True
) -> DecoderConfig:
    """A Llama whose table has as many rows as its tokenizer has tokens, unless given."""
    ids = Tokenizer.train_byte_bpe(["a red circle, a blue square", "what is it?"], 300, SPECIALS)
    config = language_config(vocab_size or ids.vocab_size, tied=tied)
    state = moved(config.build())
    tensors = part_tensors(config, LLAMA_NAMES, "Llama")
    write_tensors(folder / "model.safetensors", {each.name: each.join(state) for each in tensors})
    ends = {"eos_token_id": ids.special("<|im_end|>")}
    settings = {**write_language(config, 512), **ends}
    (folder / "config.json").write_text(json.dumps(settings))
    ids.save(folder / "tokenizer.json")
    tokens = {"bos_token": {"content": "<s>"}, **({"chat_template": CHAT} if chats else {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    return config
