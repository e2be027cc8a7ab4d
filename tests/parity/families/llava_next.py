"""LLaVA-NeXT beside transformers: tiles, padding left out, new lines, with CLIP and with SigLIP."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.checkpoint.published_llava import randomise, tokenizer
from tests.laws.debug_models import picture
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about
from triptych.text import VICUNA

TILE = 24
CANVASES = [[24, 48], [48, 24], [48, 48], [72, 24]]

BATCH: list[list[Message]] = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 20, 17), picture(2, 90, 30)], "is there a blue square to the left?"),
    [*ask_about([picture(3, 31, 64)], "hi"), *ask_about([picture(4, 50, 50)], "and here?")],
    ask_about([], "what is a cross?"),
]


def reference(
    text: str = "llama", vision: str = "clip", *, tied: bool = False, seed: int = 0
) -> Any:
    import transformers

    sizes = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": TILE,
        "patch_size": 8,
    }
    eyes: Any = transformers.CLIPVisionConfig(**sizes)
    if vision == "siglip":
        eyes = transformers.SiglipVisionConfig(**sizes, vision_use_head=False)
    classes: dict[str, Any] = {
        "llama": transformers.LlamaConfig,
        "mistral": transformers.MistralConfig,
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
        **({"sliding_window": None} if text == "mistral" else {}),
    )
    config = transformers.LlavaNextConfig(
        vision_config=eyes,
        text_config=text_config,
        image_token_index=ids.special("<image>"),
        image_grid_pinpoints=CANVASES,
        image_seq_length=9,
        vision_feature_select_strategy="default" if vision == "clip" else "full",
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    return randomise(transformers.LlavaNextForConditionalGeneration(config), seed)


def save(folder: Path, model: Any, template: str | None = None) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    tokenizer().save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "LlavaNextImageProcessor",
        "aspect_ratio_setting": "anyres",
        "do_center_crop": True,
        "do_pad": True,
        "size": {"shortest_edge": TILE},
        "crop_size": {"height": TILE, "width": TILE},
        "image_grid_pinpoints": CANVASES,
        "resample": 3,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "</s>",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))
    source = template or VICUNA.source.replace("image_token", '"<image>"')
    (folder / "chat_template.jinja").write_text(source)


def given_to(inputs: ModelInputs) -> dict[str, Tensor]:
    """The reference's arguments: tiles padded with nothing to one number."""
    given = {"input_ids": inputs.token_ids, "attention_mask": inputs.token_mask.long()}
    most = max(len(image) for image in inputs.images)
    padded = [
        torch.cat([image, image.new_zeros(most - len(image), *image.shape[1:])])
        for image in inputs.images
    ]
    sizes = [(span.tiles.height, span.tiles.width) for span in inputs.spans if span.tiles]
    return {**given, "pixel_values": torch.stack(padded), "image_sizes": torch.tensor(sizes)}


def row(family: str, folder: Path, model: Any) -> ParityRow:
    save(folder, model)
    ours = import_model(folder)

    def looked(given: Given) -> Any:
        return model.model.get_image_features(
            given["pixel_values"], given["image_sizes"], output_hidden_states=True
        )

    def vision(given: Given) -> list[Tensor]:
        has_class_token = model.config.vision_feature_select_strategy == "default"
        return list(looked(given).hidden_states[-2][:, int(has_class_token) :])

    return measured(
        family,
        ours,
        model,
        BATCH,
        given_to,
        vision=vision,
        connector=lambda given: list(looked(given).pooler_output),
    )


# Seeds whose answers are not one word over and over.
KINDS: dict[str, dict[str, Any]] = {
    "CLIP, Llama": {"seed": 3},
    "CLIP, tied Mistral": {"text": "mistral", "tied": True, "seed": 25},
    "SigLIP, Llama": {"vision": "siglip", "seed": 1},
}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"LLaVA-NeXT ({name})", Path(folder) / str(index), reference(**options))
            for index, (name, options) in enumerate(KINDS.items())
        ]
