"""Adapters as folders: nothing that was trained is missing, and no other model takes them."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.adapters.small_models import logits, stir
from tests.checkpoint import published_llava
from tests.checkpoint.published import small
from tests.train.tiny_run import TinyRun, tiny_run

import triptych
from triptych.adapters import Adapters, LoraConfig, attach, merge
from triptych.checkpoint.adapter_folder import (
    apply_adapter,
    base_of,
    open_adapter,
    save_adapter,
    write_adapter_files,
)
from triptych.checkpoint.files import read_tensors
from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel, save_model
from triptych.errors import CheckpointError, UsageError

# PEFT asks transformers for what it has renamed.
peft_warns = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing:FutureWarning", "ignore::UserWarning"
)

LORA = LoraConfig(rank=3, alpha=5.0, language=("query", "down"))


def train(
    model: Any, config: LoraConfig = LORA, whole: tuple[str, ...] = ("connector",)
) -> Adapters:
    """As after a training of adapters and connector."""
    adapters = attach(model, config, seed=0, whole=whole)
    stir(model)
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for panel in whole:
            for each in getattr(model, panel).parameters():
                each.add_(0.1 * torch.randn(each.shape, generator=draw))
    return adapters


def save_base(folder: Path, run: TinyRun) -> Path:
    save_model(folder, run.architecture, run.model, run.processor.tokenizer)
    return folder


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: each.clone() for name, each in model.state_dict().items()}


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    assert [name for name, each in expected.items() if not torch.equal(found[name], each)] == []


@pytest.mark.parametrize("bits", ["none", "int8", "int4"])
def test_what_is_opened_is_what_was_trained_bit_for_bit(tmp_path, bits):
    run = tiny_run()
    base = save_base(tmp_path / "base", run)
    adapters = train(run.model, LoraConfig(rank=3, base_bits=bits))
    save_adapter(tmp_path / "adapter", run.architecture, adapters, str(base))
    apart = logits(run)
    merge(run.model)
    opened = open_adapter(tmp_path / "adapter", Path(base_of(tmp_path / "adapter")))
    assert_equal(opened.model.state_dict(), state(run.model))
    torch.testing.assert_close(logits(run), apart, rtol=0, atol=2e-6)


def test_triptych_loads_the_folder_by_the_base_that_it_names(tmp_path):
    run = tiny_run()
    base = save_base(tmp_path / "base", run)
    save_adapter(tmp_path / "adapter", run.architecture, train(run.model), str(base))
    merge(run.model)
    assistant = triptych.load(tmp_path / "adapter")
    assert_equal(assistant.model.state_dict(), state(run.model))
    half = triptych.load(tmp_path / "adapter", dtype="bfloat16")
    expected = {name: each.bfloat16() for name, each in run.model.state_dict().items()}
    assert_equal(half.model.state_dict(), expected)


def test_the_base_can_be_named_where_the_folder_names_none(tmp_path):
    run = tiny_run()
    base = save_base(tmp_path / "base", run)
    save_adapter(tmp_path / "adapter", run.architecture, train(run.model))
    merge(run.model)
    with pytest.raises(CheckpointError, match="does not say which model it belongs to; name it"):
        triptych.load(tmp_path / "adapter")
    assistant = triptych.load(tmp_path / "adapter", base=base)
    assert_equal(assistant.model.state_dict(), state(run.model))


@pytest.mark.parametrize("bits", ["none", "int8"])
def test_a_model_is_not_saved_with_adapters_beside_its_weights(tmp_path, bits):
    run = tiny_run()
    attach(run.model, LoraConfig(rank=2, base_bits=bits), seed=0)
    with pytest.raises(UsageError, match="merge them first"):
        save_base(tmp_path / "model", run)
    assert not (tmp_path / "model").exists()


def test_the_trained_connector_is_in_the_folder_entire(tmp_path):
    run = tiny_run()
    write_adapter_files(tmp_path, train(run.model))
    held = read_tensors(tmp_path / "adapter_model.safetensors")
    for name, tensor in run.model.connector.state_dict().items():
        assert torch.equal(held[f"base_model.model.connector.{name}"], tensor)
    assert not any(".blocks." in name and ".lora_" not in name for name in held)


@pytest.mark.parametrize("panel", ["vision", "language"])
def test_a_base_with_one_other_number_is_refused_by_the_name_of_its_panel(tmp_path, panel):
    run = tiny_run()
    write_adapter_files(tmp_path, train(run.model))
    other = tiny_run()
    next(getattr(other.model, panel).parameters()).data.view(-1)[0] += 1e-3
    loaded = LoadedModel(other.architecture, other.model, other.processor)
    before = state(other.model)
    with pytest.raises(CheckpointError, match=f"over another model: this tiny has .* in {panel};"):
        apply_adapter(loaded, tmp_path)
    assert_equal(state(other.model), before)


def test_the_bases_own_connector_does_not_matter_where_it_was_trained(tmp_path):
    run, other = tiny_run(), tiny_run()
    write_adapter_files(tmp_path, train(run.model))
    merge(run.model)
    for each in other.model.connector.parameters():
        each.data.zero_()
    apply_adapter(LoadedModel(other.architecture, other.model, other.processor), tmp_path)
    assert_equal(state(other.model), state(run.model))


def test_a_torn_note_is_told(tmp_path):
    run = tiny_run()
    write_adapter_files(tmp_path, train(run.model))
    (tmp_path / "base.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"base\.json is torn"):
        apply_adapter(LoadedModel(run.architecture, run.model, run.processor), tmp_path)


# -- PEFT ----------------------------------------------------------------------------------------


@peft_warns
def test_peft_hangs_it_on_our_model(tmp_path):
    peft = pytest.importorskip("peft")
    run, other = tiny_run(), tiny_run()
    write_adapter_files(tmp_path, train(run.model))
    wrapped = peft.PeftModel.from_pretrained(other.model, tmp_path)
    samples = [run.source.sample(index, torch.Generator()) for index in range(3)]
    with torch.no_grad():
        found = wrapped.eval()(run.processor.collate(samples))
    torch.testing.assert_close(found, logits(run), rtol=0, atol=1e-6)


@peft_warns
def test_peft_hangs_it_on_the_published_model(tmp_path):
    peft = pytest.importorskip("peft")
    base = published_llava.reference()
    published_llava.save(tmp_path / "base", base)
    loaded = import_model(tmp_path / "base")
    config = LoraConfig(rank=3, vision=("value",), language=("all",))
    adapters = train(loaded.model, config)
    save_adapter(tmp_path / "adapter", loaded.architecture, adapters, str(tmp_path / "base"))
    wrapped = peft.PeftModel.from_pretrained(base, tmp_path / "adapter")
    merged = wrapped.merge_and_unload().state_dict()
    merge(loaded.model)
    export_model(tmp_path / "ours", loaded)
    reference = type(base).from_pretrained(tmp_path / "ours").state_dict()
    assert merged.keys() == reference.keys()
    for name, tensor in reference.items():
        torch.testing.assert_close(merged[name], tensor, rtol=0, atol=1e-6, msg=name)


def test_halves_of_a_fused_layer_are_put_together(tmp_path):
    loaded, other = deepcopy(small()), deepcopy(small())
    config = LoraConfig(rank=2, alpha=3.0, vision=("query", "value", "out"), language=("query",))
    save_adapter(tmp_path, loaded.architecture, train(loaded.model, config))
    merge(loaded.model)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    fused = "model.visual.blocks.0.attn.qkv"
    assert (settings["rank_pattern"][fused], settings["alpha_pattern"][fused]) == (4, 6.0)
    assert "model.visual.blocks.0.attn.proj" in settings["target_modules"]
    apply_adapter(other, tmp_path)
    expected = loaded.model.state_dict()
    for name, tensor in other.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6, msg=name)
