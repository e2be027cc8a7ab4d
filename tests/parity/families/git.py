"""GIT beside transformers, which gets pictures beside the text: token ids without our slots."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import picture
from tests.parity.measuring import greedy, greedy_of, num_equal, seen, worst
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.architectures import debug_tokenizer
from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about
from triptych.text import Tokenizer

ONE_PICTURE = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 90, 50)], "is there a blue square to the left?"),
]
BATCHES = {"one picture": ONE_PICTURE}


def tokenizer() -> Tokenizer:
    return debug_tokenizer(("[PAD]", "[CLS]", "[SEP]", "[MASK]"))


def reference(seed: int = 0) -> Any:
    import transformers

    ids = tokenizer()
    config = transformers.GitConfig(
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "image_size": 40,
            "patch_size": 8,
        },
        vocab_size=330,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=80,
        max_position_embeddings=200,
        bos_token_id=ids.special("[CLS]"),
        eos_token_id=ids.special("[SEP]"),
        pad_token_id=ids.special("[PAD]"),
        attn_implementation="eager",
    )
    return randomise(transformers.GitForCausalLM(config), seed)


def save(folder: Path, model: Any, ids: Tokenizer | None = None) -> None:
    """Write the folder as it is published: without a chat template."""
    model.save_pretrained(folder)
    (ids or tokenizer()).save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "CLIPImageProcessor",
        "do_center_crop": True,
        "size": {"shortest_edge": 40},
        "crop_size": {"height": 40, "width": 40},
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))


def given_to(inputs: ModelInputs) -> list[dict[str, Tensor]]:
    """The reference's arguments for each row, its text alone and unpadded."""
    rows: list[dict[str, Tensor]] = []
    for index, span in enumerate(inputs.spans):
        text = inputs.token_ids[index][inputs.token_mask[index]][span.num_slots :]
        rows.append(
            {
                "input_ids": text[None],
                "attention_mask": torch.ones_like(text)[None],
                "pixel_values": inputs.images[index][None],
            }
        )
    return rows


@torch.no_grad()
def row(family: str, folder: Path, model: Any, conversations: list[list[Message]]) -> ParityRow:
    """Ours in one batch, padded on the left; theirs one by one, since it numbers padding, too."""
    save(folder, model)
    ours: LoadedModel = import_model(folder)
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in conversations]
    inputs = ours.processor.collate(samples, pad="left")
    given = given_to(inputs)
    pixels = torch.cat([each["pixel_values"] for each in given])
    features = model.git.image_encoder(pixels).last_hidden_state
    theirs = [model(**each).logits[0] for each in given]
    mine = [row[mask] for row, mask in zip(ours.model(inputs), inputs.token_mask, strict=True)]
    others = [greedy_of(model, each)[0] for each in given]
    assert all(len(set(row)) > 3 for row in others), "one word over and over; take another seed"
    return ParityRow(
        family=family,
        vision=worst(seen(ours, inputs), list(features)),
        connector=worst(ours.model.encode(inputs), list(model.git.visual_projection(features))),
        output=worst(mine, theirs),
        spread=float(torch.cat(theirs).std()),
        greedy=min(map(num_equal, greedy(ours, inputs), others)),
    )


# A seed whose answers are not one word over and over.
SEEDS = {"one picture": 1}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row("GIT", Path(folder) / name, reference(SEEDS[name]), batch)
            for name, batch in BATCHES.items()
        ]
