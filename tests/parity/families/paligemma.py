"""PaliGemma beside transformers: prompts that are read both ways, about one picture and several."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import picture, tokenizer_for
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.inputs import IGNORED, ModelInputs
from triptych.processor import Message, ask_about
from triptych.text import PALIGEMMA, Tokenizer

ONE_PICTURE = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 90, 50)], "is there a blue square to the left?"),
]
SEVERAL = [
    ask_about([picture(2, 64, 48), picture(3, 33, 80)], "what changed?"),
    ask_about([picture(4, 32, 32)]),
]
BATCHES = {"one picture": ONE_PICTURE, "several pictures": SEVERAL}


def tokenizer() -> Tokenizer:
    return tokenizer_for(PALIGEMMA)


def reference(seed: int = 0) -> Any:
    """Heads wider than their share, one key head for all of them."""
    import transformers

    ids = tokenizer()
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": 40,
        "patch_size": 8,
        "vision_use_head": False,
    }
    text = {
        "model_type": "gemma",
        "vocab_size": 330,
        "hidden_size": 64,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 24,
        "max_position_embeddings": 512,
        "bos_token_id": ids.special("<bos>"),
        "eos_token_id": ids.special("<eos>"),
        "pad_token_id": ids.special("<eos>"),
    }
    config = transformers.PaliGemmaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=ids.special("<image>"),
        projection_dim=64,
        hidden_size=64,
        bos_token_id=ids.special("<bos>"),
        eos_token_id=ids.special("<eos>"),
        attn_implementation="eager",
    )
    model = randomise(transformers.PaliGemmaForConditionalGeneration(config), seed)
    for name, parameter in model.model.language_model.named_parameters():
        if "norm" in name:
            parameter.data -= 0.4  # Gemma keeps how far they are from one
    # Otherwise a token, whose embedding counts eight times, is followed by itself.
    model.model.language_model.embed_tokens.weight.data *= 0.2
    return model


def save(folder: Path, model: Any) -> None:
    """Write the folder as it is published: without a chat template."""
    model.save_pretrained(folder)
    tokenizer().save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "SiglipImageProcessor",
        "image_seq_length": 25,
        "size": {"height": 40, "width": 40},
        "resample": 3,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "pad_token": "<eos>",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    """The reference's arguments; all up to the first answer is of the type that sees ahead."""
    assert inputs.labels is not None
    is_suffix = (inputs.labels != IGNORED).cumsum(dim=1) > 0
    return {
        "input_ids": inputs.token_ids,
        "attention_mask": inputs.token_mask.long(),
        "pixel_values": torch.stack(list(inputs.images)),
        "token_type_ids": (is_suffix & inputs.token_mask).long(),
    }


def looks(model: Any) -> tuple[Callable[[Given], list[Tensor]], Callable[[Given], list[Tensor]]]:
    """The reference's outputs of its vision panel and of its connector, a picture each."""

    def vision(given: Given) -> list[Tensor]:
        return list(model.model.vision_tower(given["pixel_values"]).last_hidden_state)

    def connector(given: Given) -> list[Tensor]:
        return list(model.model.get_image_features(given["pixel_values"]).pooler_output)

    return vision, connector


def row(family: str, folder: Path, model: Any, conversations: list[list[Message]]) -> ParityRow:
    save(folder, model)
    ours: LoadedModel = import_model(folder)
    vision, connector = looks(model)
    return measured(
        family, ours, model, conversations, given_to, vision=vision, connector=connector
    )


# Seeds whose answers are not one word over and over.
SEEDS = {"one picture": 1, "several pictures": 1}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"PaliGemma ({name})", Path(folder) / name, reference(SEEDS[name]), batch)
            for name, batch in BATCHES.items()
        ]
