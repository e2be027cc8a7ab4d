"""Models that come with the package: found by name, stored in half precision, shy of photos."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from tests.tasks.saying import QWEN, photograph, say

from triptych.checkpoint.files import write_tensors
from triptych.checkpoint.model_folder import save_model
from triptych.cli import decoding
from triptych.errors import ConfigError, UnknownNameError, UsageError
from triptych.tasks import DEFAULT_MODEL, embedded, embedded_models, find_model, load

DRAWING = np.zeros((40, 60, 3), np.uint8)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that comes with a model called mini, its weights as 16-bit floats."""
    folder = tmp_path / "package" / "embedded" / "mini"
    save_model(folder, QWEN.architecture, QWEN.model, QWEN.processor.tokenizer)
    halved = {name: each.half() for name, each in QWEN.model.state_dict().items()}
    write_tensors(folder / "model.safetensors", halved)
    monkeypatch.setattr(embedded.resources, "files", lambda name: tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    return folder


def test_an_embedded_model_is_found_by_name_whatever_lies_in_the_folder(package, tmp_path):
    (tmp_path / "mini").mkdir()
    assert find_model("mini") == package
    assert embedded_models() == {"mini": package}
    with pytest.raises(UsageError, match="mini holds no trained model"):
        find_model("./mini")


def test_half_precision_is_loaded_as_single(package):
    assistant = load()
    assert {each.dtype for each in assistant.model.state_dict().values()} == {torch.float32}
    for name, ours in assistant.model.state_dict().items():
        assert torch.equal(ours, QWEN.model.state_dict()[name].half().float()), name


def test_an_unknown_name_lists_all_there_is(package, tmp_path):
    save = (QWEN.architecture, QWEN.model, QWEN.processor.tokenizer)
    save_model(tmp_path / "mine", *save)
    save_model(tmp_path / "runs" / "first" / "model", *save)
    with pytest.raises(UnknownNameError, match=r"known: mine, mini, runs/first$"):
        find_model("zzz")
    with pytest.raises(UnknownNameError, match="did you mean mini"):
        find_model("mimi")


def test_the_command_line_has_the_same_default():
    assert decoding.DEFAULT_MODEL == DEFAULT_MODEL == "mini"


def test_an_answer_about_a_photograph_carries_a_note(package, monkeypatch):
    say(monkeypatch, *["a"] * 5)
    assistant = load("mini")
    answer = assistant.ask([DRAWING, photograph()], "what is it?")
    assert answer.note.startswith("mini has seen drawings only")
    assert answer.as_dict()["note"] == answer.note == assistant.note([photograph()])
    assert "note" not in assistant.ask([DRAWING], "what is it?").as_dict()
    notes = [each.note for each in assistant.caption([DRAWING, photograph()])]
    assert notes == ["", answer.note]
    assert assistant.read(photograph()).as_dict()["note"] == answer.note


def test_other_models_get_no_note(package, monkeypatch):
    say(monkeypatch, "a")
    assert not load(package).ask([photograph()], "what is it?").note


def test_pictures_are_reduced_to_as_many_pixels_as_one_allows(package, monkeypatch):
    say(monkeypatch, "a", "a")
    large = np.zeros((96, 96, 3), np.uint8)
    full, reduced = (
        load("mini", max_pixels=most).ask([large], "hm").num_prompt_tokens for most in (None, 1024)
    )
    assert full - reduced == 36 - 4


def test_a_number_of_pixels_that_makes_no_sense_is_refused(package):
    for most in (0, -5):
        with pytest.raises(UsageError, match=f"max_pixels must be above 0, got {most}"):
            load("mini", max_pixels=most)
    with pytest.raises(ConfigError, match="one token"):
        load("mini", max_pixels=3)


def test_the_first_answer_waits_for_no_compiler() -> None:
    code = (
        "import sys, triptych; triptych.load('mini'); "
        "sys.exit('torch._dynamo was imported' if 'torch._dynamo' in sys.modules else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
