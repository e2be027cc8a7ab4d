"""LLaVA-NeXT between transformers and us: numbers, folders, token ids and pixels."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
from PIL import Image
from tests.laws.debug_models import picture
from tests.parity.families import llava_next as family
from tests.parity.round_trip import check_round_trip, exported
from torch import Tensor

from triptych.checkpoint.layouts import import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.processor import ask_about

transformers = pytest.importorskip("transformers")

PIXEL_TOLERANCE = 1e-6
"""They round in another order; pixels are numbers up to 2.7."""

UNREAD = (".architectures", ".pad_token_id", ".projection_dim", ".text_config.model_type")
"""What a panel alone would be called or be followed by; a Mistral without a window is a Llama."""

CONVERSATIONS = [
    ask_about([], "is there a cross?"),
    ask_about([picture(0, 40, 70)], "what is it?"),
    [
        {"role": "system", "content": "You look at pictures."},
        *ask_about([picture(1, 90, 20), picture(2, 24, 24)], "which is red? e\u0301 123"),
    ],
    [
        *ask_about([picture(3, 13, 91)], "hi"),
        {"role": "assistant", "content": "hello"},
        *ask_about([picture(4, 64, 48)], "and?"),
    ],
]

HUB_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': '}}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' '}}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""In the manner of those on the Hub: the token that begins a sequence is left to the tokenizer."""


class Theirs:
    """What transformers makes of a folder."""

    def __init__(self, folder: Path) -> None:
        self.processor = transformers.AutoProcessor.from_pretrained(folder)
        self.model = transformers.LlavaNextForConditionalGeneration.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()

    def inputs(self, messages: list[Any]) -> dict[str, Tensor]:
        """All by their processor."""
        return self.processor.apply_chat_template(
            [in_parts(message) for message in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )


def in_parts(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    opened = [
        {"type": "image", "image": Image.fromarray(part["image"])}
        if part["type"] == "image"
        else part
        for part in parts
    ]
    return {**message, "content": opened}


@pytest.fixture(scope="module", params=list(family.KINDS))
def pair(request, tmp_path_factory) -> tuple[Any, LoadedModel, Theirs]:
    """The reference, ours as read from its folder, and theirs as read from our export."""
    folder = tmp_path_factory.mktemp("llava_next")
    given = family.reference(**family.KINDS[request.param])
    family.save(folder / "theirs", given)
    ours, written = exported(folder)
    return given, ours, Theirs(written)


def test_all_rows_of_the_table_are_met():
    """Measured worst case on a CPU: 2.6e-6 vision, 7.2e-7 connector, 3.3e-6 logits."""
    rows = family.rows()
    assert len(rows) == 3 and all(row.is_met() for row in rows), rows


def test_the_reference_comes_back_from_our_export(pair):
    before, ours, theirs = pair
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in family.BATCH]
    inputs = family.given_to(ours.processor.collate(samples, pad="left"))
    check_round_trip(before, theirs.model, inputs, num_tensors=60, unread=UNREAD)


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_token_ids_and_pixels_are_those_of_transformers(pair, messages):
    _, ours, theirs = pair
    check_inputs(ours, theirs, messages)


def test_conversations_drawn_at_random_have_the_token_ids_of_transformers(pair):
    from tests.parity.test_idefics3_layout import conversation

    _, ours, theirs = pair
    drawn = random.Random(0)
    for _ in range(24):
        check_inputs(ours, theirs, conversation(drawn, foreign="<|im_end|>"))


def check_inputs(ours: LoadedModel, theirs: Theirs, messages: list[Any]) -> None:
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    given = theirs.inputs(messages)
    assert sample.token_ids == given["input_ids"][0].tolist()
    for image, pixels in zip(sample.images, given.get("pixel_values", []), strict=True):
        assert (image.pixels - pixels[: len(image.pixels)]).abs().max() <= PIXEL_TOLERANCE
        assert not pixels[len(image.pixels) :].any()


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_a_beginning_that_is_left_to_the_tokenizer_is_written(tmp_path, messages):
    family.save(tmp_path / "hub", family.reference(), HUB_TEMPLATE)
    path = tmp_path / "hub" / "tokenizer.json"
    inner = tokenizers.Tokenizer.from_file(str(path))
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", inner.token_to_id("<s>"))]
    )
    inner.save(str(path))
    (tmp_path / "hub" / "processor_config.json").write_text(
        json.dumps(
            {
                "processor_class": "LlavaNextProcessor",
                "patch_size": 8,
                "num_additional_image_tokens": 1,
                "vision_feature_select_strategy": "default",
            }
        )
    )
    ours = import_model(tmp_path / "hub")
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    given = Theirs(tmp_path / "hub").inputs(messages)
    assert sample.token_ids == given["input_ids"][0].tolist()
    assert sample.token_ids[0] == ours.processor.tokenizer.special("<s>")


def test_a_new_line_of_another_width_is_named(tmp_path):
    from triptych.checkpoint import files
    from triptych.errors import CheckpointError

    family.save(tmp_path, family.reference())
    weights = tmp_path / "model.safetensors"
    state = dict(files.read_tensors(weights))
    name = next(name for name in state if name.endswith("image_newline"))
    files.write_tensors(weights, {**state, name: torch.zeros(65)})
    with pytest.raises(CheckpointError, match=r"image_newline"):
        import_model(tmp_path)
