"""GIT between transformers and us: numbers, folders, token ids of a BERT vocabulary, pixels."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from PIL import Image
from tests.laws.debug_models import answered, picture
from tests.parity.conversations import random_conversation, written_out
from tests.parity.families import git as family
from tests.parity.families.git import ONE_PICTURE
from tests.parity.round_trip import check_round_trip, exported
from tests.parity.rows import TOLERANCE
from tokenizers import Tokenizer as Inner
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import CheckpointError, ConfigError
from triptych.processor import ask_about
from triptych.text import Tokenizer

transformers = pytest.importorskip("transformers")

PHOTO, OTHER = picture(0, 70, 110), picture(1, 91, 60)


def bert_tokenizer() -> Tokenizer:
    """A small vocabulary of BERT's kind: lower case, words in pieces, its own frame."""
    words = ["what", "is", "it", "?", "a", "red", "cat", "you", "look", ".", "##s", "and", "e", ","]
    words += [chr(code) for code in range(97, 123)] + [f"##{chr(code)}" for code in range(97, 123)]
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = {word: index for index, word in enumerate(dict.fromkeys([*specials, *words]))}
    inner: Any = Inner(models.WordPiece(vocab, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    inner.add_special_tokens(specials)
    frame = [("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
    inner.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=frame)
    return Tokenizer(cast(Inner, inner))


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Any, LoadedModel, Path]:
    """The reference, ours as read from its folder, and where our export is."""
    folder = tmp_path_factory.mktemp("git")
    given = family.reference(1)
    family.save(folder / "theirs", given)
    return given, *exported(folder)


def test_all_rows_of_the_table_are_met():
    rows = family.rows()
    assert len(rows) == 1 and all(row.is_met() for row in rows), rows


def test_the_reference_comes_back_from_our_export(pair):
    before, ours, folder = pair
    after = transformers.GitForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = ours.processor.collate([ours.processor.encode(ONE_PICTURE[0])])
    [given] = family.given_to(inputs)
    check_round_trip(before, after, given, num_tensors=80)
    pictures = transformers.AutoImageProcessor.from_pretrained(folder)
    for photo in (PHOTO, OTHER):
        theirs = torch.tensor(pictures(images=[Image.fromarray(photo)])["pixel_values"][0])
        assert (ours.processor.encode_image(photo).pixels - theirs).abs().max() <= 1e-6


CONVERSATIONS = [
    (ask_about([PHOTO], "What is it?"), "What is it?"),
    (ask_about([PHOTO]), ""),
    (ask_about([], "cats, e\u0301 123?"), "cats, e\u0301 123?"),
    ([{"role": "system", "content": "You look."}, *ask_about([OTHER], "and?")], "You look. and?"),
    (
        [*answered(ask_about([PHOTO], "what?"), "a cat"), *ask_about([], "is it red?")],
        "what? a cat[SEP] is it red?",
    ),
    ([*ask_about([PHOTO], "is [SEP] it?")], None),
]


def with_bert(folder: Path) -> tuple[LoadedModel, Any]:
    """Ours with a vocabulary of BERT's kind, and transformers' tokenizer of it."""
    family.save(folder, family.reference(1), bert_tokenizer())
    (folder / "generation_config.json").unlink()
    plain = json.loads((folder / "config.json").read_text())
    plain |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    (folder / "config.json").write_text(json.dumps(plain))
    return import_model(folder), transformers.AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(("messages", "text"), CONVERSATIONS)
def test_token_ids_are_those_of_transformers_behind_the_slots(tmp_path, messages, text):
    ours, theirs = with_bert(tmp_path)
    sample = ours.processor.encode(messages, add_generation_prompt=True)
    num_slots = sum(span.num_slots for span in sample.spans)
    ids = sample.token_ids[num_slots:]
    if text is None:  # what a person spells is no end
        assert ids.count(theirs.sep_token_id) == 0
        return
    expected = theirs(text, add_special_tokens=False).input_ids
    assert ids == [theirs.cls_token_id, *expected]
    template = (tmp_path / "chat_template.jinja").exists()
    assert not template
    export_model(tmp_path / "ours", ours)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    texts = [{**each, "content": _said(each["content"])} for each in messages]
    chat = again.apply_chat_template(texts, tokenize=False)
    assert again(chat, add_special_tokens=False).input_ids == ids
    assert import_model(tmp_path / "ours").architecture.processor == ours.architecture.processor


def test_token_ids_of_random_conversations_are_those_of_transformers(tmp_path):
    ours, theirs = with_bert(tmp_path)
    num_compared = 0
    for seed in range(200):
        messages = random_conversation(seed)
        if any(each["role"] == "assistant" for each in messages):
            continue  # a question runs on into its answer, which begins a word of its own here
        body = written_out(messages, lambda _, index: " " if index else "")
        sample = ours.processor.encode(messages, add_generation_prompt=True)
        num_slots = sum(span.num_slots for span in sample.spans)
        expected = theirs(body, add_special_tokens=False).input_ids
        assert sample.token_ids[num_slots:] == [theirs.cls_token_id, *expected], seed
        num_compared += 1
    assert num_compared > 50


def _said(content: Any) -> str:
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    return "".join(part["text"] for part in parts if part["type"] == "text")


def test_text_counts_from_zero_and_pictures_count_nothing(pair):
    _, ours, _ = pair
    sample = ours.processor.encode(ONE_PICTURE[0], add_generation_prompt=True)
    num_text = len(sample.token_ids) - 26
    assert sample.position_ids.tolist() == [-1] * 26 + list(range(num_text))
    assert sample.num_mutual == 26


@torch.no_grad()
def test_pictures_see_no_text_and_text_sees_what_came_before(pair):
    _, ours, _ = pair
    first, second = (
        ours.model.read(ours.processor.collate([ours.processor.encode(ask_about([PHOTO], text))]))[
            0
        ]
        for text in ("what is it?", "what is that")
    )
    assert torch.equal(first[:, :26], second[:, :26])
    assert (first[0, 28:33] - second[0, 28:33]).abs().max() > 1e-3


@torch.no_grad()
def test_two_pictures_stand_one_behind_the_other(pair, monkeypatch):
    reference, ours, _ = pair
    sample = ours.processor.encode(ask_about([PHOTO, OTHER], "what?"), add_generation_prompt=True)
    assert [span.start for span in sample.spans] == [0, 26] and sample.num_mutual == 52
    hidden = ours.model(ours.processor.collate([sample]))
    assert hidden.shape[1] == len(sample.token_ids)
    # The reference, given what its projection makes of both pictures as one.
    pixels = torch.stack([image.pixels for image in sample.images])
    features = reference.git.image_encoder(pixels).last_hidden_state.flatten(0, 1)[None]
    both = SimpleNamespace(last_hidden_state=features)
    monkeypatch.setattr(reference.git.image_encoder, "forward", lambda *_, **__: both)
    theirs = reference(
        input_ids=torch.tensor([sample.token_ids[52:]]), pixel_values=pixels[:1]
    ).logits
    assert (hidden - theirs).abs().max() <= TOLERANCE


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("", "num_image_with_embedding", 6),
        ("", "hidden_act", "tanh"),
        ("", "tie_word_embeddings", True),
        ("vision_config", "model_type", "siglip_vision_model"),
    ],
)
def test_settings_that_would_compute_otherwise_are_refused(tmp_path, group, key, value):
    family.save(tmp_path, family.reference(1))
    plain = json.loads((tmp_path / "config.json").read_text())
    (plain[group] if group else plain)[key] = value
    (tmp_path / "config.json").write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=f"{key} is {value!r}"):
        import_model(tmp_path)


def test_missing_and_unexpected_tensors_are_listed(tmp_path):
    from triptych.checkpoint import files

    family.save(tmp_path, family.reference(1))
    tensors = files.read_tensors(tmp_path / "model.safetensors")
    del tensors["output.bias"]
    tensors["git.img_temporal_embedding.0"] = torch.zeros(1, 1, 32)
    files.write_tensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=r"output\.bias(.|\n)*img_temporal_embedding"):
        import_model(tmp_path)
