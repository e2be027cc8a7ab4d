"""InternVL beside transformers: tiles of the most similar grid and a thumbnail."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import picture, tokenizer_for
from tests.parity.families.idefics3 import speak_up
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about
from triptych.text import INTERNVL, Tokenizer

TILE = 24

BATCH: list[list[Message]] = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 20, 17), picture(2, 90, 30)], "is there a blue square to the left?"),
    [*ask_about([picture(3, 31, 64)], "hi"), *ask_about([picture(4, 50, 50)], "and here?")],
    ask_about([], "what is a cross?"),
]


def tokenizer() -> Tokenizer:
    return tokenizer_for(INTERNVL)


def reference(text: str = "qwen2", *, tied: bool = False, seed: int = 0, **vision: Any) -> Any:
    import transformers

    ids = tokenizer()
    eyes = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": [TILE, TILE],
        "patch_size": [4, 4],
        "attention_bias": True,
        **vision,
    }
    language = {
        "model_type": text,
        "vocab_size": 330,
        "hidden_size": 64,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 1024,
        "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0},
        "bos_token_id": None,
        "eos_token_id": ids.special("<|im_end|>"),
        "pad_token_id": ids.special("<|endoftext|>"),
        "tie_word_embeddings": tied,
    }
    config = transformers.InternVLConfig(
        vision_config=eyes,
        text_config=language,
        image_token_id=ids.special("<IMG_CONTEXT>"),
        image_seq_length=9,
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    model = randomise(transformers.InternVLForConditionalGeneration(config), seed)
    if tied:
        speak_up(model.model.language_model.layers)
    return model


def save(folder: Path, model: Any) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    tokenizer().save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "GotOcr2ImageProcessor",
        "crop_to_patches": False,
        "min_patches": 1,
        "max_patches": 6,
        "size": {"height": TILE, "width": TILE},
        "resample": 3,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "extra_special_tokens": {
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))
    source = INTERNVL.source.replace("image_token", '"<IMG_CONTEXT>"')
    (folder / "chat_template.jinja").write_text(source)


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    """The reference's arguments: all tiles of all pictures in one row."""
    given = {"input_ids": inputs.token_ids, "attention_mask": inputs.token_mask.long()}
    return {**given, "pixel_values": torch.cat(inputs.images)}


def row(family: str, folder: Path, model: Any) -> ParityRow:
    save(folder, model)
    ours = import_model(folder)
    counts: list[int] = []

    def arguments(inputs: ModelInputs) -> dict[str, Tensor]:
        counts[:] = [span.num_slots for span in inputs.spans]
        return given_to(inputs)

    def looked(given: Given) -> Any:
        return model.model.get_image_features(given["pixel_values"], return_dict=True)

    return measured(
        family,
        ours,
        model,
        BATCH,
        arguments,
        vision=lambda given: list(looked(given).last_hidden_state[:, 1:]),
        connector=lambda given: list(looked(given).pooler_output.flatten(0, 1).split(counts)),
    )


# Seeds whose answers are not one word over and over.
KINDS: dict[str, dict[str, Any]] = {
    "Qwen2": {"seed": 1},
    "tied Qwen2": {"tied": True, "seed": 1},
    "Llama, InternViT-6B": {
        "text": "llama",
        "norm_type": "rms_norm",
        "use_qk_norm": True,
        "attention_bias": False,
        "seed": 1,
    },
}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"InternVL ({name})", Path(folder) / str(index), reference(**options))
            for index, (name, options) in enumerate(KINDS.items())
        ]
