"""Kosmos-2 beside transformers, which takes one picture a text."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import picture
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.architectures import debug_tokenizer
from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about
from triptych.text import KOSMOS2_SPECIALS, CellsConfig, Tokenizer

ONE_PICTURE = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 90, 50)], "is there a blue square to the left?"),
]
BATCHES = {"one picture": ONE_PICTURE}

CELLS = CellsConfig(side=4)


def tokenizer() -> Tokenizer:
    return debug_tokenizer(tuple(dict.fromkeys((*KOSMOS2_SPECIALS, *CELLS.special_tokens))))


def reference(seed: int = 0) -> Any:
    import transformers

    ids = tokenizer()
    config = transformers.Kosmos2Config(
        text_config={
            "vocab_size": 330,
            "max_position_embeddings": 256,
            "embed_dim": 64,
            "layers": 3,
            "ffn_dim": 80,
            "attention_heads": 4,
            "bos_token_id": ids.special("<s>"),
            "eos_token_id": ids.special("</s>"),
            "pad_token_id": ids.special("<pad>"),
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 40,
            "patch_size": 8,
        },
        latent_query_num=6,
        attn_implementation="eager",
    )
    model = randomise(transformers.Kosmos2ForConditionalGeneration(config), seed)
    # Otherwise a token, whose embedding counts eight times, is followed by itself.
    model.text_model.model.embed_tokens.weight.data *= 0.2
    return model


def save(folder: Path, model: Any, ids: Tokenizer | None = None) -> None:
    """Write the folder as it is published: no chat template, a crop that asks for a square."""
    model.save_pretrained(folder)
    (ids or tokenizer()).save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "CLIPImageProcessor",
        "do_center_crop": True,
        "size": {"shortest_edge": 40},
        "crop_size": {"height": 40, "width": 40},
        "use_square_size": True,
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    """The reference's arguments; it knows padding by its token."""
    ids = inputs.token_ids.masked_fill(~inputs.token_mask, tokenizer().special("<pad>"))
    is_visual = torch.zeros_like(ids)
    for span in inputs.spans:
        is_visual[span.batch_index, list(span.positions)] = 1
    return {
        "input_ids": ids,
        "attention_mask": inputs.token_mask.long(),
        "pixel_values": torch.stack(list(inputs.images)),
        "image_embeds_position_mask": is_visual,
    }


def looks(model: Any) -> tuple[Callable[[Given], list[Tensor]], Callable[[Given], list[Tensor]]]:
    """The reference's normalised tokens of a picture, and what stands for it in the sequence."""

    def vision(given: Given) -> list[Tensor]:
        hidden = model.vision_model(given["pixel_values"]).last_hidden_state
        return list(model.vision_model.model.post_layernorm(hidden))

    def connector(given: Given) -> list[Tensor]:
        scale = model.text_model.model.embed_scale
        return list(scale * model.get_image_features(given["pixel_values"]).pooler_output)

    return vision, connector


def row(family: str, folder: Path, model: Any, conversations: list[list[Message]]) -> ParityRow:
    save(folder, model)
    ours: LoadedModel = import_model(folder)
    vision, connector = looks(model)
    return measured(
        family,
        ours,
        model,
        conversations,
        given_to,
        vision=vision,
        connector=connector,
        one_by_one=True,
    )


# A seed whose answers are not one word over and over.
SEEDS = {"one picture": 6}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row("Kosmos-2", Path(folder) / name, reference(SEEDS[name]), batch)
            for name, batch in BATCHES.items()
        ]
