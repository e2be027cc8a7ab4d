"""Idefics3 and SmolVLM beside transformers: tiles with words around them, the whole at the end."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import picture, tokenizer_for
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor, nn

from triptych.checkpoint.layouts import import_model
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about
from triptych.text import SMOLVLM, Tokenizer

TILE, EDGE = 24, 72

BATCH: list[list[Message]] = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 20, 17), picture(2, 90, 30)], "is there a blue square to the left?"),
    [*ask_about([picture(3, 31, 64)], "hi"), *ask_about([picture(4, 50, 50)], "and here?")],
]


def tokenizer() -> Tokenizer:
    return tokenizer_for(SMOLVLM)


def reference(kind: str = "Idefics3", *, factor: int = 3, tied: bool = False, seed: int = 0) -> Any:
    import transformers

    ids = tokenizer()
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": TILE,
        "patch_size": 4,
    }
    text = {
        "model_type": "llama",
        "vocab_size": 330,
        "hidden_size": 64,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 1024,
        "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0},
        "bos_token_id": ids.special("<|im_start|>"),
        "eos_token_id": ids.special("<end_of_utterance>"),
        "pad_token_id": ids.special("<|im_end|>"),
        "tie_word_embeddings": tied,
    }
    config = getattr(transformers, f"{kind}Config")(
        vision_config=vision,
        text_config=text,
        image_token_id=ids.special("<image>"),
        scale_factor=factor,
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    model = randomise(model, seed)
    if tied:
        speak_up(model.model.text_model.layers)
    return model


def speak_up(layers: nn.Module) -> None:
    """Let layers be louder than a tied embedding, which would otherwise be the answer to itself."""
    for parameter in layers.parameters():
        parameter.data *= 1.5 if parameter.ndim > 1 else 1


def save(folder: Path, model: Any, *, edge: int = EDGE, splits: bool = True) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    tokenizer().save(folder / "tokenizer.json")
    kind = type(model).__name__.removesuffix("ForConditionalGeneration")
    pixels = {
        "image_processor_type": f"{kind}ImageProcessor",
        "do_image_splitting": splits,
        "do_pad": True,
        "max_image_size": {"longest_edge": TILE},
        "size": {"longest_edge": edge},
        "resample": 1,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<end_of_utterance>",
        "pad_token": "<|im_end|>",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))
    source = SMOLVLM.source.replace("image_token", '"<image>"').replace(
        "bos_token", '"<|im_start|>"'
    )
    (folder / "chat_template.jinja").write_text(source.replace("eos_token", '"<end_of_utterance>"'))


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    """The reference's arguments: the tiles of a conversation's pictures, padded to one number."""
    given = {"input_ids": inputs.token_ids, "attention_mask": inputs.token_mask.long()}
    rows: list[list[Tensor]] = [[] for _ in inputs.token_ids]
    for image, span in zip(inputs.images, inputs.spans, strict=True):
        rows[span.batch_index].append(image)
    tiles = [torch.cat(row) if row else torch.zeros(0, 3, TILE, TILE) for row in rows]
    most = max(map(len, tiles))
    padded = [torch.cat([row, row.new_zeros(most - len(row), *row.shape[1:])]) for row in tiles]
    masks = torch.zeros(len(rows), most, TILE, TILE, dtype=torch.long)
    for row, own in enumerate(tiles):
        masks[row, : len(own)] = 1
    return {**given, "pixel_values": torch.stack(padded), "pixel_attention_mask": masks}


def row(family: str, folder: Path, model: Any) -> ParityRow:
    save(folder, model)
    ours = import_model(folder)
    counts: list[int] = []

    def arguments(inputs: ModelInputs) -> dict[str, Tensor]:
        counts[:] = [span.num_slots for span in inputs.spans]
        return given_to(inputs)

    def looked(given: Given) -> Any:
        return model.model.get_image_features(
            given["pixel_values"], given["pixel_attention_mask"], return_dict=True
        )

    return measured(
        family,
        ours,
        model,
        BATCH,
        arguments,
        vision=lambda given: list(looked(given).last_hidden_state),
        connector=lambda given: list(torch.cat(looked(given).pooler_output).split(counts)),
    )


# Seeds whose answers are not one word over and over.
KINDS: dict[str, dict[str, Any]] = {
    "folded by 3": {"seed": 1},
    "folded by 2, tied": {"factor": 2, "tied": True, "seed": 2},
    "SmolVLM": {"kind": "SmolVLM", "factor": 2, "seed": 5},
}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"Idefics3 ({name})", Path(folder) / str(index), reference(**options))
            for index, (name, options) in enumerate(KINDS.items())
        ]
