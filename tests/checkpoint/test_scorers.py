"""Folders of models that compare pictures with texts: what is written comes back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.checkpoint.test_llava import edit, llava
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import SCORER_NAMES, TEXTS, scorer

from triptych.checkpoint.files import read_tensors, write_tensors
from triptych.checkpoint.layouts import export_model, open_architecture, open_model
from triptych.checkpoint.scorers import LoadedScorer, export_scorer, import_scorer
from triptych.errors import CheckpointError, ConfigError, TokenError, UsageError
from triptych.media import NativeResizeConfig
from triptych.tasks import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export_scorer(tmp_path / "clip", scorer("clip_debug"))
    return tmp_path / "clip"


@pytest.mark.parametrize("name", SCORER_NAMES)
def test_a_model_comes_back_bit_for_bit(name, tmp_path):
    before = scorer(name)
    export_scorer(tmp_path / name, before)
    after = import_scorer(tmp_path / name)
    ours, theirs = before.model.state_dict(), after.model.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(tensor, theirs[each]) for each, tensor in ours.items())
    assert after.architecture.processor == before.architecture.processor
    inputs = [each.processor.encode([picture(0)], TEXTS) for each in (before, after)]
    assert torch.equal(inputs[0].token_ids, inputs[1].token_ids)
    with torch.no_grad():
        scores = [each.model.score(inputs[0]) for each in (before, after)]
    assert torch.equal(scores[0].similarities, scores[1].similarities)
    assert torch.equal(scores[0].probabilities, scores[1].probabilities)


def test_a_second_export_is_the_first(folder, tmp_path):
    export_scorer(tmp_path / "again", import_scorer(folder))
    for path in sorted(folder.iterdir()):
        if path.name != "README.md":  # it carries the folder's name
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_a_card_says_how_to_load_it(folder):
    card = (folder / "README.md").read_text()
    assert "CLIPModel.from_pretrained" in card and "triptych score" in card
    assert "scores and embeds" in card


def test_weights_may_be_read_as_they_are_stored(folder):
    half = {name: each.half() for name, each in read_tensors(folder / "model.safetensors").items()}
    write_tensors(folder / "model.safetensors", half)
    assert import_scorer(folder, dtype=None).model.dtype == torch.float16
    assert import_scorer(folder).model.dtype == torch.float32


@pytest.mark.parametrize(
    ("drop", "add", "named"),
    [
        ("logit_scale", "", "logit_scale"),
        ("visual_projection.weight", "", "visual_projection.weight"),
        ("", "text_model.extra.weight", "text_model.extra.weight"),
    ],
)
def test_a_missing_or_unexpected_tensor_is_named(folder, drop, add, named):
    tensors = read_tensors(folder / "model.safetensors")
    tensors.pop(drop, None)
    if add:
        tensors[add] = torch.zeros(3)
    write_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=named):
        import_scorer(folder)


def test_a_misshapen_tensor_is_named(folder):
    tensors = read_tensors(folder / "model.safetensors")
    tensors["logit_scale"] = torch.zeros(2)
    write_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match="logit_scale"):
        import_scorer(folder)


def test_tables_of_old_versions_are_left_out(folder):
    tensors = read_tensors(folder / "model.safetensors")
    tensors["text_model.embeddings.position_ids"] = torch.zeros(1, 24)
    write_tensors(folder / "model.safetensors", tensors)
    import_scorer(folder)


def test_a_setting_that_is_not_supported_is_named(folder):
    plain = json.loads((folder / "config.json").read_text())
    text = {**plain["text_config"], "attention_dropout": 0.1}
    edit(folder / "config.json", text_config=text)
    with pytest.raises(ConfigError, match=r"text_config: attention_dropout is 0\.1"):
        import_scorer(folder)


def test_a_scorer_is_not_asked(folder):
    """A task asks for an ability; one that is missing is one sentence."""
    for open_it in (open_model, open_architecture, load):
        with pytest.raises(UsageError, match="scores and embeds but does not generate text"):
            open_it(folder)


def test_a_model_that_generates_does_not_score(tmp_path):
    export_model(tmp_path / "llava", llava())
    with pytest.raises(UsageError, match=r"llava does not score .* SigLIP and BLIP-2 retrieval"):
        import_scorer(tmp_path / "llava")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="is not a folder"):
        import_scorer(tmp_path / "none")


def test_what_the_layout_cannot_say_is_refused(tmp_path):
    debug = scorer("siglip_debug")
    connector = replace(debug.architecture.model.connector, num_heads=1)
    model = replace(debug.architecture.model, connector=connector)
    changed = LoadedScorer(replace(debug.architecture, model=model), debug.model, debug.processor)
    with pytest.raises(ConfigError, match=r"SigLIP cannot say model\.connector\.num_heads = 1"):
        export_scorer(tmp_path / "out", changed)
    assert not (tmp_path / "out").exists()
    processor = replace(debug.architecture.processor, resize=NativeResizeConfig())
    changed = replace(debug, architecture=replace(debug.architecture, processor=processor))
    with pytest.raises(ConfigError, match="pictures at their own size"):
        export_scorer(tmp_path / "out", changed)


def test_a_torn_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(TokenError, match="not a tokenizer file"):
        import_scorer(folder)
