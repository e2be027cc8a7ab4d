"""Training adapters in the loop: it learns, moves nothing else, and goes on exactly."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny_run import CONFIG, NUM_STEPS, TinyRun, samples_before, tiny_run

from triptych.adapters import LoraConfig, attach
from triptych.checkpoint.adapter_folder import open_adapter
from triptych.checkpoint.files import read_tensors
from triptych.checkpoint.model_folder import save_model
from triptych.config import override
from triptych.errors import CheckpointError, ConfigError
from triptych.recipes import RECIPES, find_recipe
from triptych.recipes.stages import StagedRecipe
from triptych.train import PanelRates, TrainConfig
from triptych.train.loop import ADAPTER
from triptych.train.optimizer import build_optimizer, freeze
from triptych.train.record import read_record

LORA = replace(
    CONFIG,
    learning_rates=PanelRates(connector=3e-3, language=3e-2),
    lora=LoraConfig(rank=4, dropout=0.1),
)
QLORA = replace(LORA, lora=replace(LORA.lora, base_bits="int4"))


@pytest.fixture(scope="module", params=[LORA, QLORA], ids=["lora", "qlora"])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TinyRun, Path, TrainConfig]:
    """A run that nothing stopped."""
    folder, run = tmp_path_factory.mktemp("whole"), tiny_run()
    run.fit(folder, request.param)
    return run, folder, request.param


def curve(folder: Path) -> list[dict[str, object]]:
    """The record without what depends on the clock."""
    lines = read_record(folder / "record.jsonl")
    return [{name: each for name, each in line.items() if name != "seconds"} for line in lines]


def weights(run: TinyRun) -> dict[str, torch.Tensor]:
    return run.model.state_dict()


def test_it_learns_with_a_weight_average_and_moves_only_what_it_should(whole):
    run, folder, config = whole
    losses = [float(line["loss"]) for line in read_record(folder / "record.jsonl")]
    # Fresh embeddings that stay as they are leave no more than about 0.3 to be learned.
    assert sum(losses[-3:]) / 3 < losses[0] - 0.05
    fresh = weights(tiny_run())
    changed = {name for name, each in weights(run).items() if not torch.equal(each, fresh[name])}
    linear = {
        f"language.{name}.weight"
        for name, each in run.model.language.named_modules()
        if isinstance(each, torch.nn.Linear)
    }
    assert changed == linear | {name for name in fresh if name.startswith("connector.")}
    assert config.ema_decay > 0


def test_a_run_that_died_goes_on_exactly(whole, tmp_path):
    expected, folder, config = whole

    def dying(count: int) -> None:
        if count == samples_before(7) + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_run().fit(tmp_path, config, before_sample=dying)
    run = tiny_run()
    run.fit(tmp_path, config, resume=True)
    assert curve(tmp_path) == curve(folder)
    assert len(curve(tmp_path)) == NUM_STEPS
    for name, tensor in weights(expected).items():
        assert torch.equal(weights(run)[name], tensor), name


def test_its_folder_opens_over_the_base_as_what_came_of_it(whole, tmp_path):
    run, folder, _ = whole
    base = tiny_run()
    save_model(tmp_path, base.architecture, base.model, base.processor.tokenizer)
    opened = open_adapter(folder / ADAPTER, tmp_path).model.state_dict()
    for name, tensor in weights(run).items():
        assert torch.equal(opened[name], tensor), name


def test_a_checkpoint_holds_what_is_trained_and_no_more(whole):
    run, folder, _ = whole
    last = sorted((folder / "checkpoints").iterdir())[-1]
    held = read_tensors(last / "adapter_model.safetensors")
    connector = sum(each.numel() for each in run.model.connector.state_dict().values())
    halves = sum(each.numel() for name, each in held.items() if ".lora_" in name)
    assert sum(each.numel() for each in held.values()) == connector + halves
    assert not (last / "model.safetensors").exists()


def test_a_run_does_not_go_on_with_another_base(whole, tmp_path):
    _, _, config = whole
    tiny_run().fit(tmp_path, replace(config, max_steps=2, checkpoint_every=1))
    other = tiny_run()
    next(other.model.vision.parameters()).data.view(-1)[0] += 1.0
    with pytest.raises(CheckpointError, match=r"was trained over another model: .* in vision;"):
        other.fit(tmp_path, config, resume=True)


def test_adapters_do_not_decay_and_are_no_matrices_for_muon():
    config = replace(LORA, optimizer="muon", matrix_boost=3.0)
    model = tiny_run().model
    attach(model, config.lora, seed=0, whole=("connector",))
    freeze(model, config.learning_rates)
    groups = build_optimizer(model, config).param_groups
    [own] = [group for group in groups if group["peak"] == 3e-2]
    assert (own["weight_decay"], own["is_matrix"]) == (0.0, False)


def test_adapters_of_a_panel_without_a_rate_are_refused():
    with pytest.raises(ConfigError, match="language has adapters and no learning rate"):
        TrainConfig(
            learning_rates=PanelRates(connector=1e-3),
            epochs=1,
            batch_size=1,
            lora=LoraConfig(rank=2),
        )


def test_a_recipe_takes_them_from_the_command_line():
    changes = ["train.lora.rank=8", 'train.checkpointing=["language"]', "train.precision=float16"]
    shapes = override(RECIPES["shapes"].default, changes)
    assert shapes.train.lora == LoraConfig(rank=8)
    assert shapes.train.checkpointing == ("language",)
    staged = find_recipe("llava_1_5").default
    assert isinstance(staged, StagedRecipe)
    [*_, last] = staged.stages
    changed = override(staged, [f"stages.{last.name}.train.lora.base_bits=int4"])
    assert changed.stages[-1].train.lora.base_bits == "int4"
