"""PaliGemma between transformers and us: numbers, folders, token ids, and who sees whom."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.checkpoint.parts import write_vision
from tests.laws.debug_models import answered, picture
from tests.parity.conversations import random_conversation, written_out
from tests.parity.families import paligemma as family
from tests.parity.families.paligemma import ONE_PICTURE, SEVERAL
from tests.parity.measuring import greedy_of
from tests.parity.round_trip import check_round_trip, exported
from tests.parity.rows import TOLERANCE

from triptych.checkpoint import files
from triptych.checkpoint.building import build_from_parts
from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.parts import load_language
from triptych.errors import CheckpointError, ConfigError, TokenError
from triptych.processor import ask_about, image_parts

transformers = pytest.importorskip("transformers")

PHOTO, OTHER = picture(0, 70, 110), picture(1, 91, 60)


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Any, LoadedModel, Path]:
    """The reference, ours as read from its folder, and where our export is."""
    folder = tmp_path_factory.mktemp("paligemma")
    given = family.reference(1)
    family.save(folder / "theirs", given)
    return given, *exported(folder)


@pytest.fixture(scope="module")
def theirs(pair) -> Any:
    return transformers.PaliGemmaForConditionalGeneration.from_pretrained(
        pair[2], attn_implementation="eager"
    ).eval()


@pytest.fixture(scope="module")
def processor(pair) -> Any:
    return transformers.AutoProcessor.from_pretrained(pair[2])


def test_all_rows_of_the_table_are_met():
    rows = family.rows()
    assert len(rows) == 2 and all(row.is_met() for row in rows), rows


def test_the_reference_comes_back_from_our_export(pair, theirs):
    before, ours, _ = pair
    samples = [ours.processor.encode(each, add_generation_prompt=True) for each in ONE_PICTURE]
    given = family.given_to(ours.processor.collate(samples, pad="left"))
    check_round_trip(before, theirs, given, num_tensors=70, unread=("text_config.architectures",))


# What the reference's processor is given as text, and how many pictures.
PROMPTS = [
    (ask_about([PHOTO], "what is it?"), "<image>what is it?", 1),
    (ask_about([PHOTO]), "<image>", 1),
    (
        ask_about([PHOTO, OTHER], "caption en e\u0301 123"),
        "<image><image>caption en e\u0301 123",
        2,
    ),
    (
        [{"role": "system", "content": "You look."}, *ask_about([OTHER], "  what?  ")],
        "<image>You look.\n  what?  ",
        1,
    ),
    (
        [*answered(ask_about([PHOTO], "hi"), "hello"), *ask_about([], "and?")],
        "<image>hi\nhello<eos>and?",
        1,
    ),
]


@pytest.mark.parametrize(("messages", "text", "num_pictures"), PROMPTS)
def test_token_ids_and_pixels_are_those_of_transformers(
    pair, processor, messages, text, num_pictures
):
    _, ours, _ = pair
    photos = [Image.fromarray(PHOTO), Image.fromarray(OTHER)]
    pictures = photos[1:] if "You look" in text else photos[:num_pictures]
    given = processor(images=[pictures], text=[text])
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    assert sample.token_ids == given["input_ids"][0]
    for image, pixels in zip(sample.images, given["pixel_values"], strict=True):
        assert (image.pixels - torch.tensor(pixels)).abs().max() <= 1e-6


def test_token_ids_of_random_conversations_are_those_of_transformers(pair, processor):
    _, ours, _ = pair
    num_compared = 0
    for seed in range(300):
        messages = random_conversation(seed)
        pictures = [Image.fromarray(part["image"]) for part in image_parts(messages)]
        if not pictures or any(each["role"] == "assistant" for each in messages):
            continue  # no picture is refused there, an answer in between has no published form
        body = written_out(messages, lambda _, index: "\n" if index else "")
        given = processor(images=[pictures], text=["<image>" * len(pictures) + body])
        sample = ours.processor.encode(messages, add_generation_prompt=True)
        assert sample.token_ids == given["input_ids"][0], seed
        num_compared += 1
    assert num_compared > 50


def test_a_text_alone_is_what_stands_behind_the_pictures(pair, processor):
    _, ours, _ = pair
    sample = ours.processor.encode(ask_about([], "hi there"), add_generation_prompt=True)
    theirs = processor.tokenizer("<bos>hi there\n", add_special_tokens=False).input_ids
    assert sample.token_ids == theirs


@torch.no_grad()
def test_an_answer_is_read_causally_and_learned_as_a_suffix(pair, theirs, processor):
    _, ours, _ = pair
    samples = [
        ours.processor.encode(answered(each, answer))
        for each, answer in zip(ONE_PICTURE, ("a red circle", "yes"), strict=True)
    ]
    inputs = ours.processor.collate(samples)
    given = family.given_to(inputs)
    own = processor(
        images=[[Image.fromarray(picture(0, 40, 60))]],
        text=["<image>what is it?"],
        suffix=["a red circle"],
    )
    for name in ("input_ids", "token_type_ids"):
        assert own[name][0] == given[name][0, : len(own[name][0])].tolist()
    assert own["labels"][0].tolist() == samples[0].labels
    mine = ours.model(inputs)
    difference = (mine - theirs(**given).logits)[inputs.token_mask].abs().max()
    assert difference <= TOLERANCE
    causal = {**given, "token_type_ids": torch.ones_like(given["token_type_ids"])}
    unlike = (mine - theirs(**causal).logits)[inputs.token_mask].abs().max()
    assert unlike > 100 * TOLERANCE  # who sees ahead matters


def test_questions_that_differ_cannot_share_a_prompt_that_is_read_both_ways(pair):
    _, ours, _ = pair
    talks = [answered(ask_about([PHOTO], text), "yes") for text in ("is it?", "was it?")]
    with pytest.raises(TokenError, match="cannot share a beginning; encode them one by one"):
        ours.processor.encode_conversations(talks)
    shared = ours.processor.encode_answers(ask_about([PHOTO], "is it?"), ["yes", "no"])
    assert shared.num_mutual == shared.branches.count(0)


def test_names_of_every_version_are_read(tmp_path):
    family.save(tmp_path / "saved", family.reference(1))
    ours = import_model(tmp_path / "saved")
    export_model(tmp_path / "hub", ours)
    hub = files.read_tensors(tmp_path / "hub" / "model.safetensors")
    assert "vision_tower.vision_model.embeddings.patch_embedding.bias" in hub
    assert "language_model.model.layers.1.mlp.up_proj.weight" in hub
    files.write_tensors(tmp_path / "saved" / "model.safetensors", hub)
    again = import_model(tmp_path / "saved").model.state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in ours.model.state_dict().items())
    del hub["multi_modal_projector.linear.bias"]
    files.write_tensors(tmp_path / "saved" / "model.safetensors", {**hub, "odd": torch.zeros(2)})
    with pytest.raises(CheckpointError, match=r"multi_modal_projector.linear.bias(.|\n)*odd"):
        import_model(tmp_path / "saved")


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("", "projection_dim", 32),
        ("text_config", "model_type", "gemma2"),
        ("text_config", "hidden_act", "relu"),
        ("text_config", "use_bidirectional_attention", False),
        ("vision_config", "model_type", "clip_vision_model"),
    ],
)
def test_settings_that_would_compute_otherwise_are_refused(tmp_path, group, key, value):
    family.save(tmp_path, family.reference(1))
    plain = json.loads((tmp_path / "config.json").read_text())
    (plain[group] if group else plain)[key] = value
    (tmp_path / "config.json").write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=f"{key} is {value!r}"):
        import_model(tmp_path)


# -- Gemma alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["gelu_pytorch_tanh", "gelu"])
@torch.no_grad()
def test_gemma_is_read_as_a_part(tmp_path, act):
    config = transformers.GemmaConfig(
        vocab_size=330,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        attn_implementation="eager",
    )
    reference = family.randomise(transformers.GemmaForCausalLM(config), 3)
    reference.save_pretrained(tmp_path)
    family.tokenizer().save(tmp_path / "tokenizer.json")
    plain = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**plain, "hidden_act": act}))
    config, state, _ = load_language(tmp_path)
    ours = config.build().eval()
    ours.load_state_dict(state)
    ids = torch.randint(0, 330, (2, 12), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(12).expand(2, -1)
    mine = ours.head(ours(ours.embed(ids), position_ids=positions))
    others = reference(input_ids=ids).logits
    assert others.std() > 0.5 and (mine - others).abs().max() <= TOLERANCE
    assert greedy_of(reference, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})


def test_several_pictures_stand_in_front(pair):
    _, ours, _ = pair
    sample = ours.processor.encode(SEVERAL[0], add_generation_prompt=True)
    assert [span.start for span in sample.spans] == [0, 25]
    assert sample.num_mutual == len(sample.token_ids)


@torch.no_grad()
def test_a_model_built_on_gemma_says_the_same_there(tmp_path):
    config = transformers.GemmaConfig(
        vocab_size=330,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        bos_token_id=family.tokenizer().special("<bos>"),
        eos_token_id=family.tokenizer().special("<eos>"),
        max_position_embeddings=512,
    )
    family.randomise(transformers.GemmaForCausalLM(config), 3).save_pretrained(tmp_path / "gemma")
    family.tokenizer().save(tmp_path / "gemma" / "tokenizer.json")
    write_vision(tmp_path / "clip")
    ours = build_from_parts(tmp_path / "clip", "mlp", tmp_path / "gemma", name="new")
    export_model(tmp_path / "hf", ours)
    theirs = transformers.LlavaForConditionalGeneration.from_pretrained(
        tmp_path / "hf", attn_implementation="eager"
    ).eval()
    inputs = ours.processor.collate([ours.processor.encode(ask_about([PHOTO], "what is it?"))])
    others = theirs(input_ids=inputs.token_ids, pixel_values=torch.stack(list(inputs.images)))
    assert others.logits.std() > 0.1
    assert (ours.model(inputs) - others.logits).abs().max() <= TOLERANCE
