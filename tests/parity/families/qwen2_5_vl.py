"""Qwen2.5-VL beside transformers: windows, several pictures, clips whose positions count seconds.

What is said of long clips in `qwen2_vl` holds here of most: a slice of one second is two positions
further in time. The clips of the row are short and high enough for both to agree.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.checkpoint.published_llava import randomise
from tests.laws.debug_models import clip, picture, watch
from tests.parity.families import qwen2_vl as older
from tests.parity.measuring import measured
from tests.parity.rows import ParityRow
from torch import Tensor, tensor

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.inputs import ModelInputs
from triptych.processor import Message, ask_about

CLIPS: list[list[Message]] = [
    watch(clip(0, 4, 64, 48)),
    [*watch(clip(1, 5, 96, 48), "a red circle?"), *ask_about([picture(6, 40, 60)], "and here?")],
    [*ask_about([picture(7, 32, 48)]), *watch(clip(2, 4, 48, 64), "hi", fps=1.5)],
]
BATCHES = {"one picture": older.ONE_PICTURE, "several pictures": older.SEVERAL, "clips": CLIPS}


def reference(seed: int = 0, *, tied: bool = True) -> Any:
    """Windows of 4 x 4 patches; the second of three blocks sees the whole picture."""
    import transformers

    vision = {
        "depth": 3,
        "hidden_size": 48,
        "num_heads": 3,
        "intermediate_size": 88,
        "patch_size": older.PATCH,
        "window_size": 4 * older.PATCH,
        "fullatt_block_indexes": [1],
        "out_hidden_size": older.TEXT["hidden_size"],
        "tokens_per_second": 2,
    }
    config = transformers.Qwen2_5_VLConfig(
        text_config=older.text_settings(),
        vision_config=vision,
        **older.ids(),
        tie_word_embeddings=tied,
        attn_implementation="eager",
    )
    return randomise(transformers.Qwen2_5_VLForConditionalGeneration(config), seed)


def given_to(ours: LoadedModel) -> Callable[[ModelInputs], dict[str, Tensor]]:
    """As for Qwen2-VL, and how many seconds a slice of each clip lasts."""
    packed = older.given_to(ours)

    def timed(inputs: ModelInputs) -> dict[str, Tensor]:
        seconds = [span.seconds_per_frame for span in inputs.spans if span.seconds_per_frame]
        return packed(inputs) | ({"second_per_grid_ts": tensor(seconds)} if seconds else {})

    return timed


def row(family: str, folder: Path, model: Any, conversations: list[list[Message]]) -> ParityRow:
    older.save(folder, model)
    ours = import_model(folder)
    vision, connector = older.looks(model)
    return measured(
        family, ours, model, conversations, given_to(ours), vision=vision, connector=connector
    )


# Seeds whose answers are not one word over and over.
SEEDS = {"one picture": 5, "several pictures": 20, "clips": 3}


def rows() -> list[ParityRow]:
    with tempfile.TemporaryDirectory() as folder:
        return [
            row(f"Qwen2.5-VL ({name})", Path(folder) / name, reference(SEEDS[name]), batch)
            for name, batch in BATCHES.items()
        ]
