"""IDEFICS beside transformers: conversations with different numbers of pictures, none included."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from tests.checkpoint import published_idefics
from tests.laws.debug_models import answered, picture
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.architectures.idefics import IMAGE
from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.inputs import ModelInputs
from triptych.processor import ask_about

DIFFERENT = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 64, 48), picture(2, 33, 80)], "what changed from the one to the other?"),
    ask_about([], "what is a cross?"),
    [
        *answered(ask_about([picture(3, 32, 32)], "hi"), "a red circle"),
        *ask_about([picture(4, 90, 50)], "and here?"),
    ],
]
NONE = [ask_about([], "what is a cross?"), ask_about([], "hi")]
BATCHES = {"different numbers of pictures": DIFFERENT, "no pictures": NONE}

# Of the seeds of weights, some whose answers are not one word over and over.
KINDS: dict[str, dict[str, Any]] = {
    "": {"seed": 11},
    "instructed, ": {"instructed": True, "seed": 38},
    "plain blocks, ": {"plain_blocks": True, "seed": 29},
}


def given_to(ours: LoadedModel) -> Callable[[ModelInputs], dict[str, Tensor]]:
    """The reference's arguments, who looks at which picture by its own function."""

    def packed(inputs: ModelInputs) -> dict[str, Tensor]:
        from transformers.models.idefics import processing_idefics

        rows = [
            [
                image
                for image, span in zip(inputs.images, inputs.spans, strict=True)
                if span.batch_index == row
            ]
            for row in range(len(inputs.token_ids))
        ]
        most = max(1, *map(len, rows))
        side = ours.processor.config.resize.target_size(1, 1)
        pixels = torch.zeros(len(rows), most, 3, *side)
        for row, images in enumerate(rows):
            for index, image in enumerate(images):
                pixels[row, index] = image
        ids = SimpleNamespace(
            convert_tokens_to_ids=ours.processor.tokenizer.special,
            eos_token_id=ours.processor.tokenizer.special("</s>"),
        )
        counts, _ = processing_idefics.image_attention_mask_for_packed_input_ids_pt(
            inputs.token_ids, ids
        )
        mask = processing_idefics.incremental_to_binary_attention_mask(
            counts, "pt", num_classes=most
        )
        return {
            "input_ids": inputs.token_ids,
            "attention_mask": inputs.token_mask.long(),
            "pixel_values": pixels,
            "image_attention_mask": mask,
        }

    return packed


def shown(given: Given) -> Tensor:
    """Pictures without those that only fill up the batch."""
    num_each = (given["input_ids"] == IMAGE_ID).sum(dim=1)
    rows = zip(given["pixel_values"], num_each.tolist(), strict=True)
    return torch.cat([images[:number] for images, number in rows])


IMAGE_ID = published_idefics.tokenizer().special(IMAGE)


def seen_by(reference: Any) -> Callable[[Given], list[Tensor]]:
    return lambda given: list(reference.model.vision_model(shown(given)).last_hidden_state)


def visual_of(reference: Any) -> Callable[[Given], list[Tensor]]:
    def visual(given: Given) -> list[Tensor]:
        seen = reference.model.vision_model(shown(given)).last_hidden_state
        return list(reference.model.perceiver_resampler(seen))

    return visual


def rows() -> list[ParityRow]:
    """A row for each kind and batch."""
    found: list[ParityRow] = []
    for kind, settings in KINDS.items():
        reference = published_idefics.reference(**settings)
        with TemporaryDirectory() as name:
            published_idefics.save(Path(name), reference)
            ours = import_model(Path(name))
        batches = BATCHES if not kind else {"different numbers of pictures": DIFFERENT}
        found += [
            row_of(f"IDEFICS ({kind}{title})", ours, reference, conversations)
            for title, conversations in batches.items()
        ]
    return found


def row_of(family: str, ours: LoadedModel, reference: Any, conversations: Any) -> ParityRow:
    has_pictures = conversations is not NONE
    row = measured(
        family,
        ours,
        reference,
        conversations,
        given_to(ours),
        vision=seen_by(reference) if has_pictures else lambda given: [],
        connector=visual_of(reference) if has_pictures else lambda given: [],
    )
    return row if has_pictures else replace(row, vision=None, connector=None)
