"""A model as a folder: what comes back says the same, and what is broken says why."""

import json
import os

import pytest
import torch
from tests.laws.debug_models import DEBUG_NAMES, QUESTIONS, answered, subject

from triptych.checkpoint import files
from triptych.checkpoint.model_folder import load_model, read_architecture, save_model
from triptych.errors import CheckpointError, ConfigError, TokenError


def save(folder, name="llava_debug"):
    debug = subject(name)
    save_model(folder, debug.architecture, debug.model, debug.processor.tokenizer)
    return debug


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_a_loaded_model_has_the_same_logits_bit_for_bit(name, tmp_path):
    debug = save(tmp_path / "model", name)
    loaded = load_model(tmp_path / "model")
    assert loaded.architecture == debug.architecture
    assert not loaded.model.training
    messages = answered(QUESTIONS[3], "a red circle")
    with torch.no_grad():
        before = debug.model(debug.processor.collate([debug.processor.encode(messages)]))
        after = loaded.model(loaded.processor.collate([loaded.processor.encode(messages)]))
    assert torch.equal(before, after)


def test_a_folder_holds_three_files_and_a_tied_head_once(tmp_path):
    debug = save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path / "model")) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    tensors = files.read_tensors(tmp_path / "model" / "model.safetensors")
    assert set(tensors) == {name for name, _ in debug.model.named_parameters()}


def test_a_crash_while_writing_leaves_the_old_model(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    save(folder, "llava_debug")

    def crash(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    for broken in ("save", "json"):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            target = files if broken == "save" else files.json
            patched.setattr(target, "save" if broken == "save" else "dumps", crash)
            save(folder, "minivlm_debug")
        assert load_model(folder).architecture.name == "llava_debug"
        assert os.listdir(tmp_path) == ["model"]
    save(folder, "minivlm_debug")
    assert load_model(folder).architecture.name == "minivlm_debug"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("config.json", CheckpointError),
        ("model.safetensors", CheckpointError),
        ("tokenizer.json", TokenError),
    ],
)
def test_a_missing_or_torn_file_is_refused_by_name(tmp_path, name, error):
    save(tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(error, match=name):
        load_model(tmp_path / "model")
    path.unlink()
    with pytest.raises(error, match=name):
        load_model(tmp_path / "model")


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere is not a folder; give the folder"):
        load_model(tmp_path / "nowhere")


def test_a_configuration_that_is_none_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="holds no configuration"):
        read_architecture(tmp_path)


def test_a_configuration_with_an_unknown_key_is_refused(tmp_path):
    save(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    plain = json.loads(path.read_text())
    plain["model"]["language"]["widht"] = 3
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=r"Architecture.model.language has no key 'widht'"):
        load_model(tmp_path / "model")


def test_weights_of_another_model_are_refused(tmp_path):
    save(tmp_path / "one", "llava_debug")
    save(tmp_path / "two", "llava_1_5_debug")
    weights = tmp_path / "one" / "model.safetensors"
    weights.write_bytes((tmp_path / "two" / "model.safetensors").read_bytes())
    message = r"missing: connector.*; unexpected: connector.*lm_head.weight"
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path / "one")
