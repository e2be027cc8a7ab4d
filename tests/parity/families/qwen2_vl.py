"""Qwen2-VL beside transformers: pictures, several of them, and clips.

After a clip whose last slice lies further from its first than its rows and columns reach, the
positions of transformers 5.23 and 5.24 are not the paper's (see `nn.rotary.multimodal_positions`);
clips here are short enough for both to agree.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import clip, picture, tokenizer_for, watch
from tests.parity.measuring import Given, measured
from tests.parity.rows import ParityRow
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about
from triptych.published.families.qwen2_vl_text import CHAT_TEMPLATE
from triptych.text import QWEN2_VL, Tokenizer

PATCH, MERGE = 8, 2

ONE_PICTURE = [
    ask_about([picture(0, 40, 60)], "what is it?"),
    ask_about([picture(1, 90, 50)], "is there a blue square to the left?"),
]
SEVERAL = [
    ask_about([picture(2, 64, 48), picture(3, 33, 80)], "what changed?"),
    [*ask_about([picture(4, 32, 32)], "hi"), *ask_about([picture(5, 90, 50)], "and here?")],
    ask_about([], "what is a cross?"),
]
CLIPS: list[list[Message]] = [
    watch(clip(0, 4, 48, 32)),
    [*watch(clip(1, 5, 32, 64), "a red circle?"), *ask_about([picture(6, 40, 60)], "and here?")],
    [*ask_about([picture(7, 32, 48)]), *watch(clip(2, 2, 64, 48), "hi")],
]
BATCHES = {"one picture": ONE_PICTURE, "several pictures": SEVERAL, "clips": CLIPS}

TEXT: dict[str, Any] = {
    "vocab_size": 330,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 512,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
}


def tokenizer() -> Tokenizer:
    return tokenizer_for(QWEN2_VL)


def ids() -> dict[str, Any]:
    """Of special tokens, for a configuration."""
    special = tokenizer().special
    return {
        "image_token_id": special("<|image_pad|>"),
        "video_token_id": special("<|video_pad|>"),
        "vision_start_token_id": special("<|vision_start|>"),
        "vision_end_token_id": special("<|vision_end|>"),
    }


def text_settings() -> dict[str, Any]:
    special = tokenizer().special
    return {
        **TEXT,
        "bos_token_id": special("<|endoftext|>"),
        "eos_token_id": special("<|im_end|>"),
    }


def reference(seed: int = 0, *, tied: bool = True) -> Any:
    import transformers

    vision = {
        "depth": 3,
        "embed_dim": 48,
        "num_heads": 3,
        "mlp_ratio": 2,
        "patch_size": PATCH,
        "hidden_size": TEXT["hidden_size"],
    }
    config = transformers.Qwen2VLConfig(
        text_config=text_settings(),
        vision_config=vision,
        **ids(),
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    return randomise(transformers.Qwen2VLForConditionalGeneration(config), seed)


def save(folder: Path, model: Any) -> None:
    """Write the folder as it would be published, the text and picture settings by hand."""
    model.save_pretrained(folder)
    tokenizer().save(folder / "tokenizer.json")
    pixels = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "min_pixels": 32 * 32,
        "max_pixels": 96 * 96,
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
    }
    for name, plain in (("preprocessor_config", pixels), ("tokenizer_config", tokens)):
        (folder / f"{name}.json").write_text(json.dumps(plain))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def given_to(ours: LoadedModel) -> Callable[[ModelInputs], dict[str, Tensor]]:
    """The reference's arguments: every still twice, patches two by two."""

    def packed(inputs: ModelInputs) -> dict[str, Tensor]:
        given = {"input_ids": inputs.token_ids, "attention_mask": inputs.token_mask.long()}
        stills = [torch.stack([image, image])[None] for image in inputs.images if image.ndim == 3]
        clips = [image for image in inputs.images if image.ndim == 5]
        if stills:
            given["pixel_values"], given["image_grid_thw"] = patches_and_grids(stills)
        if clips:
            given["pixel_values_videos"], given["video_grid_thw"] = patches_and_grids(clips)
        is_image = (inputs.token_ids == ours.processor.image_id).int()
        is_video = (inputs.token_ids == ours.processor.video_id).int()
        given["mm_token_type_ids"] = is_image + 2 * is_video
        return given

    return packed


def patches_and_grids(visuals: list[Tensor]) -> tuple[Tensor, Tensor]:
    patches = [
        rearrange(
            pixels,
            "time frame channel (row r y) (col c x) -> (time row col r c) (channel frame y x)",
            r=MERGE,
            c=MERGE,
            y=PATCH,
            x=PATCH,
        )
        for pixels in visuals
    ]
    grids = [[len(p), p.shape[-2] // PATCH, p.shape[-1] // PATCH] for p in visuals]
    return torch.cat(patches), torch.tensor(grids)


def in_order(given: Given, stills: list[Tensor], clips: list[Tensor]) -> list[Tensor]:
    """One for each picture or clip, pictures and clips as they follow each other in the batch."""
    kinds = given["mm_token_type_ids"].flatten().tolist()
    starts = [kind for before, kind in zip([0, *kinds], kinds, strict=False) if kind > before]
    queues = {1: iter(stills), 2: iter(clips)}
    return [next(queues[kind]) for kind in starts]


def looks(model: Any) -> tuple[Callable[[Given], list[Tensor]], Callable[[Given], list[Tensor]]]:
    """The reference's outputs of its vision panel, in reading order, and of its merger."""

    def of_kind(given: Given, kind: str) -> tuple[list[Tensor], list[Tensor]]:
        pixels, grids = f"pixel_values{'_videos' * (kind == 'video')}", f"{kind}_grid_thw"
        if pixels not in given:
            return [], []
        out = model.model.visual(given[pixels], grid_thw=given[grids])
        hidden = unwindowed(model, out.last_hidden_state, given[grids])
        slices = [list(_slices(h, g)) for h, g in zip(hidden, given[grids].tolist(), strict=True)]
        sizes = [t * h * w // MERGE**2 for t, h, w in given[grids].tolist()]
        return slices, list(out.pooler_output.split(sizes))

    def vision(given: Given) -> list[Tensor]:
        both = [of_kind(given, kind)[0] for kind in ("image", "video")]
        return [each for visual in in_order(given, *both) for each in visual]

    def connector(given: Given) -> list[Tensor]:
        return in_order(given, *(of_kind(given, kind)[1] for kind in ("image", "video")))

    return vision, connector


def unwindowed(model: Any, hidden: Tensor, grids: Tensor) -> list[Tensor]:
    """Patches block by block, one tensor for each picture; Qwen2.5-VL orders them by windows."""
    window_size = getattr(model.config.vision_config, "window_size", None)
    if window_size is not None:
        from transformers.vision_utils import get_vision_window_index

        index, _ = get_vision_window_index(grids, MERGE, window_size, PATCH)
        blocks = hidden.reshape(len(index), MERGE**2, -1)
        hidden = blocks[torch.argsort(index)].flatten(0, 1)
    return list(hidden.split(grids.prod(dim=1).tolist()))


def _slices(hidden: Tensor, grid: list[int]) -> Tensor:
    time, rows, _ = grid
    return rearrange(
        hidden,
        "(time row col r c) dim -> time (row r col c) dim",
        time=time,
        row=rows // MERGE,
        r=MERGE,
        c=MERGE,
    )


def row(family: str, folder: Path, model: Any, conversations: list[list[Message]]) -> ParityRow:
    save(folder, model)
    ours = import_model(folder)
    vision, connector = looks(model)
    return measured(
        family,
        ours,
        model,
        conversations,
        given_to(ours),
        vision=vision,
        connector=connector,
    )


# Seeds whose answers are not one word over and over.
SEEDS = {"one picture": 1, "several pictures": 10, "clips": 12}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"Qwen2-VL ({name})", Path(folder) / name, reference(SEEDS[name]), batch)
            for name, batch in BATCHES.items()
        ]
