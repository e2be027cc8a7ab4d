"""IDEFICS between transformers and us: its folder read here, ours written and read there."""

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.checkpoint import published_idefics
from tests.checkpoint.test_llava import edit
from tests.laws.debug_models import answered, build_subject, picture
from tests.parity.families.idefics import DIFFERENT, KINDS, given_to, rows
from tests.parity.round_trip import check_round_trip, exported

from triptych.architectures.idefics import AROUND, END_OF_TURN, IMAGE
from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import CheckpointError, ConfigError, TokenError
from triptych.processor import Message, ask_about
from triptych.text import Tokenizer

transformers = pytest.importorskip("transformers")

TOLERANCE = 2e-5
PIXEL_TOLERANCE = 1e-6
"""They round in another order; pixels are numbers up to 2.7."""

PHOTO = picture(0)


@pytest.fixture(scope="module", params=list(KINDS))
def trip(request, tmp_path_factory) -> tuple[Any, LoadedModel, Path]:
    """The reference, ours as read from its folder, and our export."""
    folder = tmp_path_factory.mktemp("idefics")
    reference = published_idefics.reference(**KINDS[request.param])
    published_idefics.save(folder / "theirs", reference)
    return reference, *exported(folder)


def load(folder: Path) -> Any:
    return transformers.IdeficsForVisionText2Text.from_pretrained(
        folder, attn_implementation="eager"
    ).eval()


def test_numbers_are_those_of_transformers():
    """Measured worst case on a CPU: 4.1e-6, where logits spread by 0.8."""
    found = rows()
    assert len(found) == 4
    assert all(row.is_met() and row.spread > 0.5 for row in found)


def test_everything_comes_back(trip):
    reference, ours, folder = trip
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in DIFFERENT]
    given = given_to(ours)(ours.processor.collate(samples, pad="left"))
    # What begins training is no part of a model.
    unread = ("alpha_initializer",)
    check_round_trip(reference, load(folder), given, num_tensors=120, unread=unread)
    # The norm behind the vision panel is kept although nothing reads it.
    assert set(ours.unread) == {
        f"model.vision_model.post_layernorm.{kind}" for kind in ("weight", "bias")
    }


def prompt_of(ours: LoadedModel, messages: list[Message]) -> list[Any]:
    """The conversation as the published processor is told it: texts, and pictures between them."""
    template = ours.processor.template
    text = template.render(messages, add_generation_prompt=True).removeprefix("<s>")
    marks = f"(?:{AROUND})?{IMAGE}{AROUND}"
    pieces = re.split(f"({marks})", text)
    photo = Image.fromarray(PHOTO)
    return [photo if re.fullmatch(marks, each) else each for each in pieces if each]


def conversations() -> list[list[Message]]:
    """200 of them, drawn."""
    chance = random.Random(0)
    words = ("what is it?", "e\u0301", "\n", "123", " a", "red <b> ", "User:", "  ")

    def said() -> str:
        return " ".join(chance.choices(words, k=chance.randrange(1, 5)))

    def turn() -> list[Message]:
        content: list[dict[str, object]] = []
        for _ in range(chance.randrange(1, 4)):
            is_image = chance.random() < 0.5
            one = (
                {"type": "image", "image": PHOTO} if is_image else {"type": "text", "text": said()}
            )
            content.append(one)
        return [{"role": "user", "content": content}]

    drawn: list[list[Message]] = []
    for _ in range(200):
        start = [{"role": "system", "content": said()}] if chance.random() < 0.3 else []
        first = [*start, *turn()]
        drawn.append(first if chance.random() < 0.5 else [*answered(first, said()), *turn()])
    return drawn


def test_token_ids_pixels_and_who_sees_what_are_those_of_transformers(trip):
    _, ours, folder = trip
    for source in (folder, folder.parent / "theirs"):
        theirs = transformers.AutoProcessor.from_pretrained(source)
        drawn = conversations()
        for messages in drawn if source == folder else drawn[:20]:
            sample = ours.processor.encode(messages, add_generation_prompt=True)
            prompt = prompt_of(ours, messages)
            given = theirs(text=[prompt], add_end_of_utterance_token=False)
            assert sample.token_ids == given["input_ids"][0].tolist()
            inputs = ours.processor.collate([sample])
            if sample.images:
                mine = given_to(ours)(inputs)["image_attention_mask"]
                assert torch.equal(mine, given["image_attention_mask"])
                difference = torch.stack(list(inputs.images)) - given["pixel_values"][0]
                assert difference.abs().max() <= PIXEL_TOLERANCE


def test_pictures_side_by_side_share_the_token_between_them(trip):
    _, ours, _ = trip
    messages = ask_about([PHOTO, PHOTO], " what is it? ")
    shown = ours.processor.template.render(messages, add_generation_prompt=True)
    is_instructed = END_OF_TURN in ours.processor.template.end_tokens
    end = END_OF_TURN if is_instructed else ""
    assert shown == (f"<s>User:{AROUND}{IMAGE}{AROUND}{IMAGE}{AROUND}what is it?{end}\nAssistant:")
    assert ours.processor.template.end_tokens[0] == (END_OF_TURN if is_instructed else "</s>")


def test_only_the_plain_model_leaves_earlier_answers_open(trip):
    """What stands behind `</s>` sees no picture there, so it may end a conversation only."""
    _, ours, _ = trip
    messages = answered(ask_about([PHOTO], "hi"), "a cat")
    two = answered([*messages, *ask_about([], "sure?")], "yes")
    shown = ours.processor.template.render(two)
    if END_OF_TURN in ours.processor.template.end_tokens:
        assert shown.count(END_OF_TURN) == 4 and shown.endswith(f" yes{END_OF_TURN}")
    else:
        assert shown.endswith("Assistant: a cat\nUser: sure?\nAssistant: yes</s>")


def test_the_chat_template_writes_the_same_there(trip):
    _, ours, folder = trip
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for messages in conversations()[:50]:
        shown = ours.processor.template.render(messages, add_generation_prompt=True)
        other = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        assert shown == other


@torch.no_grad()
def test_the_debug_twin_says_the_same_there(tmp_path):
    debug = build_subject("idefics_debug")
    ours = LoadedModel(debug.architecture, debug.model, debug.processor)
    export_model(tmp_path / "hf", ours)
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in DIFFERENT]
    inputs = ours.processor.collate(samples, pad="left")
    difference = ours.model(inputs) - load(tmp_path / "hf")(**given_to(ours)(inputs)).logits
    assert difference[inputs.token_mask].abs().max() <= TOLERANCE
    again = import_model(tmp_path / "hf")
    assert again.architecture.model == ours.architecture.model
    assert again.architecture.processor == ours.architecture.processor


@pytest.fixture
def folder(tmp_path) -> Path:
    published_idefics.save(tmp_path / "idefics", published_idefics.reference())
    return tmp_path / "idefics"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"use_resampler": False}, "use_resampler is False; supported: True"),
        ({"cross_layer_interval": 3}, "cross_layer_interval is 3, which does not divide the 4"),
        ({"alpha_type": "matrix"}, "alpha_type is 'matrix'"),
        ({"dropout": 0.1}, r"dropout is 0\.1"),
        ({"additional_vocab_size": -1}, "additional_vocab_size is -1"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(folder, changes, named):
    edit(folder / "config.json", **changes)
    with pytest.raises(ConfigError, match=named):
        import_model(folder)


def test_a_table_of_another_size_is_named(folder):
    edit(folder / "config.json", additional_vocab_size=3)
    with pytest.raises(CheckpointError, match="additional_embedding"):
        import_model(folder)


def test_a_tokenizer_without_the_tokens_around_pictures_is_refused(folder):
    Tokenizer.train_byte_bpe(["a"], 300, ("<s>", "</s>", IMAGE)).save(folder / "tokenizer.json")
    with pytest.raises(TokenError, match=f"no special token '{AROUND}'"):
        import_model(folder)


def test_what_the_layout_cannot_say_is_refused(folder, tmp_path):
    ours = import_model(folder)
    fusion = replace(ours.architecture.model.fusion, num_heads=2, head_dim=32)
    model = replace(ours.architecture.model, fusion=fusion)
    changed = replace(ours, architecture=replace(ours.architecture, model=model))
    with pytest.raises(ConfigError, match=r"IDEFICS cannot say model\.fusion\.num_heads = 2"):
        export_model(tmp_path / "out", changed)
