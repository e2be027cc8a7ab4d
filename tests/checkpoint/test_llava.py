"""LLaVA's published layout: what is written comes back, and text settings find their tokens."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, subject

from triptych.checkpoint.files import read_tensors, write_tensors
from triptych.checkpoint.layouts import export_model, import_model, open_architecture
from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import CheckpointError, ConfigError
from triptych.media import FixedResizeConfig, ShortestEdgeCropConfig
from triptych.processor import Processor
from triptych.text import VICUNA


def llava(**processor: object) -> LoadedModel:
    debug = subject("llava_1_5_debug")
    settings = replace(debug.architecture.processor, **processor)
    architecture = replace(debug.architecture, processor=settings)
    tokenizer = debug.processor.tokenizer
    return LoadedModel(
        architecture, debug.model, Processor(settings, architecture.model, tokenizer)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export_model(tmp_path / "llava", llava())
    return tmp_path / "llava"


def edit(path: Path, **changes: object) -> None:
    plain: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, **changes}))


def test_a_model_comes_back_bit_for_bit(folder):
    before, after = llava(), import_model(folder)
    ours, theirs = before.model.state_dict(), after.model.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    assert after.architecture.processor == before.architecture.processor
    messages = answered(QUESTIONS[3], "a red circle")
    samples = [each.processor.encode(messages) for each in (before, after)]
    assert samples[0].token_ids == samples[1].token_ids
    with torch.no_grad():
        logits = [
            each.model(each.processor.collate([sample]))
            for each, sample in zip((before, after), samples, strict=True)
        ]
    assert torch.equal(*logits)


def test_a_second_export_is_the_first(folder, tmp_path):
    export_model(tmp_path / "again", import_model(folder))
    for path in folder.iterdir():
        if path.name != "README.md":
            assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    "resize",
    [
        ShortestEdgeCropConfig(size=32),
        FixedResizeConfig(height=32, width=32, interpolation="bilinear"),
    ],
)
def test_every_way_to_one_size_comes_back(tmp_path, resize):
    export_model(tmp_path / "llava", llava(resize=resize))
    assert open_architecture(tmp_path / "llava").processor.resize == resize


def test_ids_are_the_tokenizers_and_slots_are_counted_as_there(folder):
    config, processor, tokens, generation = (
        json.loads((folder / f"{name}.json").read_text())
        for name in ("config", "processor_config", "tokenizer_config", "generation_config")
    )
    special = llava().processor.tokenizer.special
    assert config["image_token_index"] == special("<image>")
    assert config["text_config"]["eos_token_id"] == special("</s>") == config["pad_token_id"]
    assert generation["eos_token_id"] == [special("</s>")]
    assert (tokens["bos_token"], tokens["pad_token"]) == ("<s>", "</s>")
    # As the published processor counts: patches and the class token, less one by strategy.
    rows = 32 // processor["patch_size"]
    assert processor["vision_feature_select_strategy"] == "default"
    slots = rows * rows + processor["num_additional_image_tokens"] - 1
    assert slots == config["image_seq_length"] == 16


def test_the_template_is_written_so_that_it_stands_alone(folder):
    alone = (folder / "chat_template.jinja").read_text()
    stranger = replace(VICUNA, source=alone, image_token="<other>")
    for messages in QUESTIONS:
        assert stranger.render(messages) == VICUNA.render(messages)


def test_weights_that_nothing_reads_are_kept_and_may_be_missing(folder, tmp_path):
    unread = import_model(folder).unread
    assert len(unread) == 18 and not any(tensor.any() for tensor in unread.values())
    name = "vision_tower.vision_model.post_layernorm.bias"
    kept = replace(llava(), unread={name: torch.ones(32)})
    export_model(tmp_path / "kept", kept)
    assert read_tensors(tmp_path / "kept" / "model.safetensors")[name].sum() == 32


def test_a_pooling_head_and_computed_tables_are_left_in_their_file(folder):
    path = folder / "model.safetensors"
    extra = {
        "vision_tower.vision_model.head.probe": torch.ones(1, 1, 32),
        "vision_tower.vision_model.embeddings.position_ids": torch.arange(17)[None],
    }
    write_tensors(path, {**read_tensors(path), **extra})
    assert set(import_model(folder).unread).isdisjoint(extra)
    write_tensors(path, {**read_tensors(path), "vision_tower.vision_model.extra": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"unexpected: vision_tower.vision_model.extra"):
        import_model(folder)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ({"bos_token": "<s>"}, "<s>"),
        ({"bos_token": {"content": "<s>", "lstrip": False}}, "<s>"),
        ({"bos_token": None}, ""),
        ({}, "<s>"),  # as config.json says
    ],
)
def test_the_token_a_sequence_begins_with_is_found(folder, tokens, expected):
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    assert open_architecture(folder).processor.template.bos_token == expected


def test_old_and_new_files_name_the_picture_token_differently(folder):
    before = open_architecture(folder)
    config = json.loads((folder / "config.json").read_text())
    config["image_token_id"] = config.pop("image_token_index")
    (folder / "config.json").write_text(json.dumps(config))
    assert open_architecture(folder) == before
    edit(folder / "config.json", image_token_id=250)
    with pytest.raises(ConfigError, match="image_token_id names the token 250"):
        open_architecture(folder)


def test_the_card_names_the_class_and_what_differs(folder):
    card = (folder / "README.md").read_text()
    total = sum(each.numel() for each in llava().model.parameters())
    assert f"{total:,}" in card and "LlavaForConditionalGeneration" in card
    assert "brought to 32 x 32 pixels" in card and "| 16 |" in card
    assert "vllm serve" in card and "convert_hf_to_gguf" not in card
