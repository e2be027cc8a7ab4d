"""A small IDEFICS whose sizes are all different, transformers' own, on a folder."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.checkpoint.published_llava import randomise

from triptych.architectures.idefics import AROUND, END_OF_TURN, IMAGE
from triptych.text import Tokenizer


@cache
def tokenizer(instructed: bool = False) -> Tokenizer:
    """The tokens around pictures have the last ids, as published."""
    texts = ["a red circle, a blue square", "what is it? User: Assistant:"]
    ids = Tokenizer.train_byte_bpe(texts, 300, ("<unk>", "<s>", "</s>"))
    ids.add_special((AROUND, IMAGE, *((END_OF_TURN,) if instructed else ())))
    return ids


def reference(*, instructed: bool = False, plain_blocks: bool = False, seed: int = 0) -> Any:
    """Transformers' model; `plain_blocks` have one gate each and no normed queries."""
    import transformers

    ids = tokenizer(instructed)
    num_extra = 2 + instructed
    config = transformers.IdeficsConfig(
        vocab_size=ids.vocab_size - num_extra,
        additional_vocab_size=num_extra,
        hidden_size=64,
        intermediate_size=80,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=512,
        cross_layer_interval=1 if plain_blocks else 2,
        qk_layer_norms=not plain_blocks,
        use_resampler=True,
        alpha_type="float" if plain_blocks else "vector",
        alpha_initializer="ones",
        pad_token_id=ids.special("<unk>"),
        bos_token_id=ids.special("<s>"),
        eos_token_id=ids.special("</s>"),
        vision_config={
            "embed_dim": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 40,
            "patch_size": 8,
        },
        perceiver_config={
            "use_resampler": True,
            "resampler_n_latents": 5,
            "resampler_depth": 2,
            "resampler_n_heads": 3,
            "resampler_head_dim": 16,
            "qk_layer_norms_perceiver": not plain_blocks,
        },
        attn_implementation="eager",
    )
    model = randomise(transformers.IdeficsForVisionText2Text(config), seed)
    for name, parameter in model.named_parameters():
        if "alpha" in name:
            parameter.data += 0.5  # gates that are clearly open
    return model


def save(folder: Path, model: Any) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    tokenizer(model.config.additional_vocab_size == 3).save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "IdeficsImageProcessor",
        "image_num_channels": 3,
        "image_size": 40,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<unk>",
        "unk_token": "<unk>",
    }
    processor = {"processor_class": "IdeficsProcessor"}
    for name, plain in (
        ("preprocessor_config", pixels),
        ("tokenizer_config", tokens),
        ("processor_config", processor),
    ):
        (folder / f"{name}.json").write_text(json.dumps(plain))
