"""A stage with adapters in a recipe: it is gone on with, its folder holds all it trained, and the
next stage begins with what came of it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from triptych import load
from triptych.checkpoint.adapter_folder import base_of, open_adapter
from triptych.checkpoint.files import read_tensors
from triptych.checkpoint.model_folder import save_model
from triptych.recipes import read_recipe, run_recipe
from triptych.recipes.beginning import begin
from triptych.train.checkpoints import find_checkpoints

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = """\
summary: grow, adapt the language panel beside a whole connector, go on with the vision panel
model: {type: FreshModel, architecture: llava_1_5_debug}
stages:
  - name: grow
    train: &common
      learning_rates: {vision: 1e-3, connector: 1e-3, language: 1e-3}
      epochs: 1
      max_steps: 2
      batch_size: 2
      schedule: constant
      warmup_steps: 0
      validate_every: 100
    data: &data
      shares:
        - source: {type: DrawnShapes, content: scenes, num_samples: 32}
  - name: adapt
    train:
      <<: *common
      learning_rates: {connector: 1e-3, language: 1e-2}
      max_steps: 6
      lora: {rank: 2, dropout: 0.1}
    data: *data
  - name: see
    train:
      <<: *common
      learning_rates: {vision: 1e-3}
    data: *data
"""


def write(folder: Path, text: str = RECIPE) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.yaml").write_text(text)
    return str(folder / "own.yaml")


def run(recipe: str, folder: Path, *changes: str, resume: bool = False) -> None:
    run_recipe(recipe, changes, data=None, folder=folder, resume=resume)


def last(folder: Path, name: str = "model.safetensors") -> dict[str, Tensor]:
    step = find_checkpoints(folder)[-1]
    return read_tensors(folder / "checkpoints" / f"step-{step:08d}" / name)


@pytest.fixture(scope="module")
def whole(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(write(folder), folder)
    return folder


def test_the_next_stage_begins_with_what_the_adapter_and_its_base_make(
    whole: Path, tmp_path: Path
) -> None:
    loaded = begin(read_recipe(whole / "own.yaml").model, "it")
    loaded.model.load_state_dict(last(whole / "grow"), strict=False)
    save_model(tmp_path, loaded.architecture, loaded.model, loaded.processor.tokenizer)
    merged = open_adapter(whole / "adapt" / "adapter", tmp_path).model.state_dict()
    seen = last(whole / "see")
    for panel, is_moved in (("connector.", True), ("language.", True)):
        own = [name for name in seen if name.startswith(panel)]
        assert own and all(torch.equal(seen[name], merged[name]) for name in own)
        grown = loaded.model.state_dict()
        assert any(not torch.equal(seen[name], grown[name]) for name in own) == is_moved


def test_its_folder_holds_the_whole_connector_and_only_halves_of_the_language_panel(
    whole: Path,
) -> None:
    held = read_tensors(whole / "adapt" / "adapter" / "adapter_model.safetensors")
    connector = {name: each for name, each in last(whole / "see").items() if "connector" in name}
    kept = [each for name, each in held.items() if ".lora_" not in name]
    assert len(kept) == len(connector) and len(kept) < len(held)
    for tensor in connector.values():
        assert any(each.shape == tensor.shape and torch.equal(each, tensor) for each in kept)


def test_a_run_that_stopped_while_it_adapted_ends_with_the_same_model(
    whole: Path, tmp_path: Path
) -> None:
    recipe = write(tmp_path)
    run(recipe, tmp_path, "stages.adapt.train.max_steps=3", "stages.see.train.max_steps=1")
    for name in ("see", "model"):
        (tmp_path / name).rename(tmp_path.parent / f"{tmp_path.name}-{name}")
    run(recipe, tmp_path, resume=True)
    ours, theirs = (read_tensors(each / "model/model.safetensors") for each in (tmp_path, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_an_adapter_over_a_finished_model_names_it_and_opens_by_itself(
    whole: Path, tmp_path: Path
) -> None:
    stages = RECIPE.split("stages:\n")[1]
    adapt = stages.split("  - name: ")[2]
    adapt = adapt.replace("<<: *common", "epochs: 1\n      batch_size: 2\n      warmup_steps: 0")
    adapt = adapt.replace("*data", "{shares: [{source: {type: DrawnShapes, num_samples: 12}}]}")
    model = f"model: {{type: FinishedModel, source: {whole / 'model'}}}\n"
    recipe = write(tmp_path, f"summary: adapt\n{model}stages:\n  - name: {adapt}")
    run(recipe, tmp_path)
    folder = tmp_path / "adapt" / "adapter"
    assert base_of(folder) == str((whole / "model").resolve())
    ours, theirs = (load(each).model.state_dict() for each in (folder, tmp_path / "model"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert any(
        not torch.equal(each, theirs[name])
        for name, each in load(whole / "model").model.state_dict().items()
    )
