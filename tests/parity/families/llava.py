"""LLaVA-1.5 beside transformers: CLIP and SigLIP, and every language model that it is made with."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import reference, save
from tests.laws.debug_models import picture
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about

BATCH: list[list[Message]] = [
    ask_about([picture(0, 70, 110)], "what is it?"),
    ask_about([picture(1, 91, 60), picture(2, 20, 17)], "is there a blue square to the left?"),
    [*ask_about([picture(3, 31, 64)], "hi"), *ask_about([picture(4, 50, 50)], "and here?")],
    ask_about([], "what is a cross?"),
]


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    """The reference's arguments."""
    given = {"input_ids": inputs.token_ids, "attention_mask": inputs.token_mask.long()}
    return {**given, "pixel_values": torch.stack(list(inputs.images))}


def row(family: str, folder: Path, model: Any) -> ParityRow:
    save(folder, model)
    has_class_token = model.config.vision_feature_select_strategy == "default"

    def looked(given: Given) -> Any:
        return model.model.get_image_features(given["pixel_values"], output_hidden_states=True)

    def vision(given: Given) -> list[Tensor]:
        return list(looked(given).hidden_states[-2][:, int(has_class_token) :])

    return measured(
        family,
        import_model(folder),
        model,
        BATCH,
        given_to,
        vision=vision,
        connector=lambda given: list(looked(given).pooler_output),
    )


# Seeds whose answers are not one word over and over.
KINDS: dict[str, dict[str, Any]] = {
    "CLIP, Llama": {"seed": 0},
    "CLIP, tied Mistral": {"text": "mistral", "tied": True, "seed": 1},
    "CLIP, Qwen2": {"text": "qwen2", "seed": 2},
    "SigLIP, Llama": {"vision": "siglip", "seed": 1},
}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"LLaVA ({name})", Path(folder) / str(index), reference(**options))
            for index, (name, options) in enumerate(KINDS.items())
        ]
