"""`export`: a folder for other engines, which every verb reads back."""

import json
from pathlib import Path

import pytest
import torch
from tests.checkpoint.published import small, small_architecture
from tests.cli.command import Command
from tests.laws.debug_models import subject

from triptych.checkpoint.files import read_tensors, write_tensors
from triptych.checkpoint.model_folder import save_model


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose model has a published layout."""
    model, tokenizer = small().model, small().processor.tokenizer
    save_model(tmp_path / "run" / "model", small_architecture(), model, tokenizer)
    return tmp_path / "run"


def test_an_export_says_what_it_wrote_and_answers_like_the_model(
    triptych: Command, run: Path, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "hf"
    done = triptych("export", run, "--to", "hf", "--out", out)
    assert (done.code, done.err) == (0, "")
    assert "model.safetensors" in done.out and str(out / "README.md") in done.out
    question = (photo, "what is it?", "--max-tokens", 6, "--json", "--model")
    assert triptych("ask", *question, out).out == triptych("ask", *question, run).out
    parameters = [
        json.loads(triptych("xray", model, "--json").out)["parameters"] for model in (out, run)
    ]
    assert parameters[0] == parameters[1]


def test_json_lists_the_files_with_their_sizes(
    triptych: Command, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "hf"
    told = json.loads(triptych("export", run, "--out", out, "--json").out)
    assert told["file_bytes"] == {path.name: path.stat().st_size for path in out.iterdir()}


def test_an_unknown_layout_is_refused(triptych: Command, run: Path, tmp_path: Path) -> None:
    done = triptych("export", run, "--to", "gguf", "--out", tmp_path / "out")
    assert done.code == 2
    assert "no layout named 'gguf'; known: hf" in done.sentence


def test_a_family_without_a_layout_is_refused(triptych: Command, tmp_path: Path) -> None:
    debug = subject("llava_debug")
    tokenizer = debug.processor.tokenizer
    save_model(tmp_path / "llava", debug.architecture, debug.model, tokenizer)
    done = triptych("export", tmp_path / "llava", "--out", tmp_path / "out")
    assert done.code == 2
    assert "llava_debug has no published Hugging Face layout" in done.sentence
    assert not (tmp_path / "out").exists()


def test_a_setting_without_a_place_in_the_layout_is_named(
    triptych: Command, model: Path, tmp_path: Path
) -> None:
    done = triptych("export", model, "--out", tmp_path / "out")
    assert done.code == 2
    assert "cannot say model.vision.ffn_dim = 48" in done.sentence


@pytest.mark.parametrize("place", ["", "model"])
def test_a_model_is_not_written_over_itself(triptych: Command, run: Path, place: str) -> None:
    done = triptych("export", run, "--out", run / place)
    assert done.code == 2
    assert "is the model itself; name another folder" in done.sentence
    assert (run / "model" / "config.json").is_file()


def test_a_folder_of_something_else_is_not_written_over(
    triptych: Command, run: Path, photo: Path
) -> None:
    done = triptych("export", run, "--out", photo.parent)
    assert done.code == 2
    assert "holds no model; name a new folder" in done.sentence
    assert photo.is_file()


def test_an_adapter_is_merged_into_what_is_written(
    triptych: Command, run: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    plain = {"peft_type": "LORA", "r": 1, "lora_alpha": 2}
    (adapter / "adapter_config.json").write_text(json.dumps(plain))
    module = "base_model.model.model.language_model.layers.0.mlp.down_proj"
    factors = {
        f"{module}.lora_A.weight": torch.ones(1, 80),
        f"{module}.lora_B.weight": torch.ones(64, 1),
    }
    write_tensors(adapter / "adapter_model.safetensors", factors)
    assert triptych("export", run, "--out", tmp_path / "plain").code == 0
    done = triptych("export", run, "--out", tmp_path / "merged", "--adapter", adapter)
    assert (done.code, done.err) == (0, "")
    before, after = (
        read_tensors(tmp_path / name / "model.safetensors") for name in ("plain", "merged")
    )
    name = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(after.pop(name), before.pop(name) + 2)
    assert all(torch.equal(tensor, after[each]) for each, tensor in before.items())
    done = triptych("export", run, "--out", tmp_path / "none", "--adapter", run)
    assert done.code == 1 and "adapter_config.json does not exist" in done.sentence
