"""Exported models in transformers: it loads the folder and says what ours says, all the way.

From messages and a picture on each side uses its own chat template, tokenizer, image processor,
positions and weights, nothing of the other.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from einops import rearrange
from PIL import Image
from tests.checkpoint.published import loaded, small, small_architecture, specials_last, untied
from tests.laws.debug_models import picture
from tests.parity.families import qwen2_vl as family
from tests.parity.round_trip import check_round_trip, exported
from torch import Tensor, nn

from triptych.checkpoint import files
from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.generate import GenerationOptions, generate
from triptych.processor import ask_about

transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 3.1e-6, where logits spread by 0.8."""

PIXEL_TOLERANCE = 1e-6
"""Measured worst case: 4.8e-7, of numbers up to 2.7; they round in another order."""

PHOTO, OTHER = picture(0, 70, 110), picture(1, 90, 60)
MESSAGES = [
    {"role": "system", "content": "You look at pictures."},
    {
        "role": "user",
        "content": [
            {"type": "image", "image": PHOTO},
            {"type": "image", "image": OTHER},
            {"type": "text", "text": "what is to the left of the blue square? e\u0301 123"},
        ],
    },
]
CONVERSATIONS = [
    MESSAGES,
    ask_about([PHOTO], "what is it?"),
    ask_about([], "is there a cross?"),
    [*ask_about([OTHER], "hi"), {"role": "assistant", "content": "hello"}, *ask_about([], "and?")],
]


class Theirs:
    """What transformers makes of a folder."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.pictures = transformers.AutoImageProcessor.from_pretrained(folder)
        self.model = transformers.Qwen2VLForConditionalGeneration.from_pretrained(
            folder, attn_implementation="eager"
        ).eval()

    def inputs(self, messages: list[Any]) -> dict[str, Tensor]:
        """Without `Qwen2VLProcessor`, which needs torchvision: its steps one by one."""
        text = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )
        given: dict[str, Tensor] = {}
        images = [Image.fromarray(part["image"]) for part in image_parts(messages)]
        if images:
            given = dict(self.pictures(images, return_tensors="pt"))
        slot = "<|image_pad|>"
        head, *tails = text.split(slot)
        for grid, tail in zip(given.get("image_grid_thw", []), tails, strict=True):
            head += slot * (int(grid.prod()) // self.pictures.merge_size**2) + tail
        ids = self.tokenizer(head, return_tensors="pt", add_special_tokens=False).input_ids
        given["input_ids"], given["attention_mask"] = ids, torch.ones_like(ids)
        given["mm_token_type_ids"] = (ids == self.model.config.image_token_id).int()
        return given


def image_parts(messages: list[Any]) -> list[Any]:
    contents = [each["content"] for each in messages if not isinstance(each["content"], str)]
    return [part for content in contents for part in content if part["type"] == "image"]


@pytest.fixture(scope="module", params=["tied", "untied, specials last"])
def pair(request, tmp_path_factory) -> tuple[LoadedModel, Theirs]:
    # Of the seeds of weights, two whose answers are long and not one word over and over.
    ours = loaded(small_architecture(), seed=6)
    if request.param != "tied":
        ours = loaded(untied(small_architecture()), specials_last(), seed=15)
    folder = tmp_path_factory.mktemp("hf") / "small"
    export_model(folder, ours, shard_bytes=150_000)
    return ours, Theirs(folder)


def test_all_rows_of_the_table_are_met():
    rows = family.rows()
    assert len(rows) == 3 and all(row.is_met() for row in rows), rows


@pytest.mark.parametrize("tied", [True, False])
def test_a_reference_comes_back_from_our_export(tmp_path, tied):
    given = family.reference(12, tied=tied)
    family.save(tmp_path / "theirs", given)
    ours, folder = exported(tmp_path)
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in family.CLIPS]
    inputs = family.given_to(ours)(ours.processor.collate(samples, pad="left"))
    after = Theirs(folder).model
    check_round_trip(given, after, inputs, num_tensors=60, unread=("max_window_layers",))


@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_the_chat_template_gives_the_same_ids(pair, messages):
    ours, theirs = pair
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    assert sample.token_ids == theirs.inputs(messages)["input_ids"][0].tolist()


def test_pictures_become_the_same_patches(pair):
    ours, theirs = pair
    given = theirs.inputs(MESSAGES)
    images = ours.processor.encode(MESSAGES).images
    grids = given["image_grid_thw"]
    assert grids.tolist() == [[1, image.height // 14, image.width // 14] for image in images]
    patches = given["pixel_values"].split(grids.prod(dim=1).tolist())
    for image, packed, (_, rows, _) in zip(images, patches, grids.tolist(), strict=True):
        frames = rearrange(
            packed,
            "(row col r c) (channel frame y x) -> frame channel (row r y) (col c x)",
            row=rows // 2,
            r=2,
            c=2,
            channel=3,
            frame=2,
            y=14,
        )
        assert (frames - image.pixels).abs().max() <= PIXEL_TOLERANCE


@pytest.mark.parametrize("messages", CONVERSATIONS)
@torch.no_grad()
def test_logits_are_those_of_transformers(pair, messages):
    ours, theirs = pair
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    mine = ours.model(ours.processor.collate([sample]))
    others = theirs.model(**theirs.inputs(messages)).logits
    assert mine.shape == others.shape and others.std() > 0.5
    assert (mine - others).abs().max() <= TOLERANCE


@torch.no_grad()
def test_sixteen_greedy_tokens_are_those_of_transformers(pair):
    ours, theirs = pair
    given = theirs.inputs(MESSAGES)
    whole = theirs.model.generate(**given, max_new_tokens=16, do_sample=False)
    others = whole[0, given["input_ids"].shape[1] :].tolist()
    sample = ours.processor.encode(MESSAGES, add_generation_prompt=True)
    (answer,) = generate(ours.model, ours.processor, [sample], GenerationOptions(max_new_tokens=16))
    assert len(others) == 16 and len(set(others)) > 3
    assert list(answer.token_ids) == others


def test_the_published_template_counts_pictures_and_takes_servers_parts(pair):
    _, theirs = pair
    parts = [{"type": "image_url", "image_url": "x"}, {"type": "video"}, {"image": "y"}]
    text = theirs.tokenizer.apply_chat_template(
        [{"role": "user", "content": [*parts, {"type": "text", "text": "hi"}]}],
        add_vision_id=True,
        tokenize=False,
    )
    seen = "<|vision_start|><|{}_pad|><|vision_end|>"
    image, video = seen.format("image"), seen.format("video")
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\nPicture 1: {image}Video 1: {video}Picture 2: {image}hi<|im_end|>\n"
    )


def test_a_folder_that_transformers_wrote_comes_back_bit_for_bit(tmp_path):
    export_model(tmp_path / "ours", small())
    theirs = randomised(Theirs(tmp_path / "ours").model)
    theirs.save_pretrained(tmp_path / "ours")  # its own form of config.json and of the weights
    assert '"text_config"' in (tmp_path / "ours" / "config.json").read_text()
    imported = import_model(tmp_path / "ours")
    assert imported.architecture.model.language.positions == (
        small_architecture().model.language.positions
    )
    export_model(tmp_path / "again", imported)
    before = files.read_tensors(tmp_path / "ours" / "model.safetensors")
    after = files.read_tensors(tmp_path / "again" / "model.safetensors")
    assert set(before) == set(after) and len(before) > 50
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def randomised(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(5)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return model
