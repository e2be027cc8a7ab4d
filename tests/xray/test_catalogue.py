"""What models there are: counted as they would be built, found where they lie."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants
from tests.checkpoint.published import small
from tests.laws.debug_models import DEBUG_NAMES

from triptych.architectures import find_architecture
from triptych.checkpoint.layouts import export_model
from triptych.checkpoint.model_folder import save_model
from triptych.xray import catalogue
from triptych.xray.anatomy import anatomy
from triptych.xray.catalogue import (
    count_panels,
    families,
    list_models,
    print_models,
    read_licence,
    short,
)

COMMIT = "0" * 39 + "1"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "ARCHITECTURES", ("mini", "qwen2_vl_2b", "qwen2_vl_debug"))
    monkeypatch.setattr(catalogue, "SCORERS", {})
    return tmp_path / "cache"


@pytest.mark.parametrize("name", [*DEBUG_NAMES, "minivlm", "qwen2_5_vl_72b", "smolvlm_256m"])
def test_two_blocks_tell_how_many_parameters_all_have(name):
    model = find_architecture(name).model
    assert count_panels(model) == anatomy(model).panels


def test_native_models_are_listed_without_their_twins():
    listed = {entry.name: entry for entry in list_models()}
    assert list(listed) == ["mini", "qwen2_vl_2b"]
    assert [entry.kind for entry in list_models()] == ["embedded", "native", "native"]
    assert listed["qwen2_vl_2b"].visual_tokens == 999
    assert listed["qwen2_vl_2b"].total == 2_208_985_600
    assert "qwen2_vl_debug" in {entry.name for entry in list_models(debug=True)}


def test_folders_are_looked_into(tmp_path):
    each = small()
    folder = tmp_path / "runs"
    export_model(folder / "published", each)
    save_model(folder / "run" / "model", each.architecture, each.model, each.processor.tokenizer)
    (folder / "nothing").mkdir()
    listed = [entry for entry in list_models([folder]) if entry.kind == "folder"]
    assert [entry.name for entry in listed] == [
        str(folder / "published"),
        str(folder / "run" / "model"),
    ]
    total = sum(parameter.numel() for parameter in each.model.parameters())
    assert {entry.total for entry in listed} == {total}
    inside = list_models([folder / "published"])
    assert str(folder / "published") in {entry.name for entry in inside}


def test_the_local_cache_is_listed_by_names_on_the_hub(cache):
    snapshot = cache / "models--owner--small" / "snapshots" / COMMIT
    export_model(snapshot, small())
    (snapshot / "model.safetensors").unlink()  # settings are enough
    for revision in ("main", "v1"):
        reference = cache / "models--owner--small" / "refs" / revision
        reference.parent.mkdir(exist_ok=True)
        reference.write_text(COMMIT)
    card = (snapshot / "README.md").read_text()
    (snapshot / "README.md").write_text(card.replace("---\n", "---\nlicense: apache-2.0\n", 1))
    listed = [entry for entry in list_models() if entry.kind == "cached"]
    assert [entry.name for entry in listed] == ["owner/small", "owner/small@v1"]
    assert {entry.licence for entry in listed} == {"apache-2.0"}


def test_what_cannot_be_read_is_listed_with_the_reason(cache):
    snapshot = cache / "models--owner--other" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"model_type": "bert"}')
    (cache / "models--owner--other" / "refs").mkdir()
    (cache / "models--owner--other" / "refs" / "main").write_text(COMMIT)
    entry = next(entry for entry in list_models() if entry.kind == "cached")
    assert "model_type is 'bert'" in entry.note and entry.parameters == {}


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# A model", "mit"),
        ('---\ntags:\n- x\nlicense: "other"\nlicense_name: own-1.0\n---', "own-1.0"),
        ("---\nlicense: other\n---", "other"),
        ("# A model\nlicense: mit", ""),
        ("---\ntags: [x]\n---\nlicense: mit", ""),
        ("", ""),
    ],
)
def test_a_licence_is_what_the_front_matter_says(tmp_path, card, licence):
    (tmp_path / "README.md").write_text(card)
    assert read_licence(tmp_path / "README.md") == licence
    assert read_licence(tmp_path / "none") == ""


def test_the_table_names_every_model_and_family(capsys):
    print_models(list(list_models()))
    out = capsys.readouterr().out
    assert "qwen2_vl_2b" in out and "2.2B" in out and "8.84 GB" in out and "999" in out
    assert all(title in out for title in families())
    assert json.dumps(families())


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, ""), (7, "7"), (4_500, "4.5K"), (12_300_000, "12M"), (9_960_000_000, "10.0B")],
)
def test_counts_are_said_shortly(count, text):
    assert short(count) == text
