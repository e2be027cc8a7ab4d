"""LoRA adapters of PEFT: merged here as PEFT merges them, and refused where they are more."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.checkpoint import published_llava
from tests.checkpoint.published import small

from triptych.checkpoint.adapters import merge_adapter, read_adapter
from triptych.checkpoint.files import read_tensors, write_tensors
from triptych.checkpoint.layouts import export_model, import_model
from triptych.errors import CheckpointError, ConfigError

# PEFT asks transformers for what it has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

QUERY = "base_model.model.model.language_model.layers.0.self_attn.q_proj"
PLAIN = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules": ["q_proj"]}


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A LLaVA of transformers."""
    folder = tmp_path_factory.mktemp("base") / "llava"
    pytest.importorskip("transformers")
    published_llava.save(folder, published_llava.reference())
    return folder


def write(folder: Path, tensors: dict[str, torch.Tensor] | None = None, **settings: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({**PLAIN, **settings}))
    if tensors is None:
        draw = torch.Generator().manual_seed(0)
        down = torch.randn(2, 64, generator=draw)
        up = torch.randn(64, 2, generator=draw)
        tensors = {f"{QUERY}.lora_A.weight": down, f"{QUERY}.lora_B.weight": up}
    write_tensors(folder / "adapter_model.safetensors", tensors)
    return folder


def weight(loaded: Any) -> torch.Tensor:
    return loaded.model.state_dict()["language.blocks.0.attention.query.weight"].clone()


# -- the formula ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({}, 6 / 2),
        ({"use_rslora": True}, 6 / 2**0.5),
        ({"alpha_pattern": {"q_proj": 4}}, 4 / 2),
        ({"alpha_pattern": {"layers.0.self_attn.q_proj": 4, "v_proj": 9}}, 4 / 2),
        ({"alpha_pattern": {"proj": 4}}, 6 / 2),
        ({"lora_alpha": 0.5}, 0.25),
    ],
)
def test_a_scaled_product_is_added_to_the_weight_and_to_nothing_else(
    base, tmp_path, settings, scale
):
    before, after = import_model(base), import_model(base)
    adapter = read_adapter(write(tmp_path / "adapter", **settings))
    after = merge_adapter(after, adapter)
    [(down, up)] = adapter.factors.values()
    assert torch.equal(weight(after), weight(before) + (up @ down) * scale)
    ours, theirs = before.model.state_dict(), after.model.state_dict()
    changed = [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]
    assert changed == ["language.blocks.0.attention.query.weight"]


def test_half_precision_is_added_to_in_single(base, tmp_path):
    adapter = read_adapter(write(tmp_path / "adapter"))
    before = import_model(base, dtype=torch.bfloat16)
    old = weight(before)
    new = weight(merge_adapter(before, adapter))
    [(down, up)] = adapter.factors.values()
    assert new.dtype == torch.bfloat16
    assert torch.equal(new, (old.float() + (up @ down) * 3).bfloat16())


def test_names_of_the_hub_and_of_memory_mean_the_same(base, tmp_path):
    memory = read_adapter(write(tmp_path / "memory"))
    tensors = {
        key.replace("model.model.language_model", "model.language_model.model"): tensor
        for key, tensor in read_tensors(tmp_path / "memory" / "adapter_model.safetensors").items()
    }
    hub = read_adapter(write(tmp_path / "hub", tensors))
    assert list(hub.factors) == ["language_model.model.layers.0.self_attn.q_proj"]
    merged = [weight(merge_adapter(import_model(base), each)) for each in (memory, hub)]
    assert torch.equal(*merged)


# -- PEFT itself ---------------------------------------------------------------------------------


def adapted(model: Any, folder: Path, **settings: Any) -> Any:
    """The model with a random adapter of PEFT, which is saved; and merged by PEFT."""
    peft = pytest.importorskip("peft")
    wrapped = peft.get_peft_model(model, peft.LoraConfig(**settings))
    draw = torch.Generator().manual_seed(0)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=draw)
    wrapped.save_pretrained(folder)
    return wrapped.merge_and_unload()


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "linear_1"]},
        {"r": 3, "lora_alpha": 7, "target_modules": "all-linear", "use_rslora": True},
        {
            "r": 2,
            "lora_alpha": 5,
            "target_modules": ["o_proj", "down_proj"],
            "rank_pattern": {"o_proj": 5},
            "alpha_pattern": {"layers.1.mlp.down_proj": 9},
        },
        {"r": 2, "target_modules": ["q_proj"], "modules_to_save": ["linear_1", "lm_head"]},
    ],
    ids=["some", "all", "patterns", "whole"],
)
def test_peft_merges_a_llava_to_the_same_bits(base, tmp_path, settings):
    theirs = adapted(published_llava.reference(), tmp_path / "adapter", **settings)
    theirs.save_pretrained(tmp_path / "merged")
    ours = merge_adapter(import_model(base), read_adapter(tmp_path / "adapter"))
    expected = import_model_weights(base, tmp_path / "merged")
    assert_equal(ours, expected)


def import_model_weights(base: Path, merged: Path) -> Any:
    """The merged weights read with the settings beside the base model's."""
    for path in base.iterdir():
        if not (merged / path.name).exists():
            (merged / path.name).write_bytes(path.read_bytes())
    return import_model(merged)


def assert_equal(ours: Any, expected: Any) -> None:
    mine, theirs = ours.model.state_dict(), expected.model.state_dict()
    assert [name for name, each in mine.items() if not torch.equal(each, theirs[name])] == []
    assert ours.unread.keys() == expected.unread.keys()
    for name, tensor in ours.unread.items():
        assert torch.equal(tensor, expected.unread[name]), name


def test_peft_merges_a_fused_layer_to_the_same_bits(tmp_path):
    transformers = pytest.importorskip("transformers")
    export_model(tmp_path / "base", small())
    base = transformers.Qwen2VLForConditionalGeneration.from_pretrained(tmp_path / "base")
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["qkv", "attn.proj", "gate_proj"]}
    theirs = adapted(base, tmp_path / "adapter", **settings)
    theirs.save_pretrained(tmp_path / "merged")
    ours = merge_adapter(import_model(tmp_path / "base"), read_adapter(tmp_path / "adapter"))
    assert_equal(ours, import_model_weights(tmp_path / "base", tmp_path / "merged"))


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"bias": "all"}])
def test_more_than_lora_is_refused_by_the_name_that_peft_gives_it(tmp_path, settings):
    model = published_llava.reference()
    adapted(model, tmp_path / "adapter", r=2, target_modules=["q_proj"], **settings)
    [name] = settings
    with pytest.raises(ConfigError, match=f"{name} is .*only plain LoRA adapters are merged"):
        read_adapter(tmp_path / "adapter")


# -- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'; only LORA"),
        ({"use_dora": True}, "use_dora is True"),
        ({"use_something_new": True}, "use_something_new is True"),
        ({"new_config": {"a": 1}}, r"new_config is {'a': 1}"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out is True"),
        ({"bias": "lora_only"}, "bias is 'lora_only'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"r": "x"}, "r must be a number, got 'x'"),
        ({"lora_alpha": None}, "lora_alpha must be a number, got None"),
        ({"alpha_pattern": {"(a+)+": 1}}, "alpha_pattern"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, settings, said):
    with pytest.raises(ConfigError, match=said):
        read_adapter(write(tmp_path / "adapter", **settings))


def test_settings_that_change_nothing_are_taken(tmp_path):
    harmless = {"use_rslora": False, "eva_config": None, "init_lora_weights": True, "bias": "none"}
    assert read_adapter(write(tmp_path / "adapter", **harmless)).alpha == 6


A, B = torch.zeros(2, 64), torch.zeros(64, 2)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({f"{QUERY}.lora_A.weight": A}, r"one half alone: model\.language"),
        ({f"{QUERY}.lora_A.weight": A, f"{QUERY}.lora_B.weight": B[:, :1]}, "different ranks"),
        ({f"{QUERY}.lora_A.weight": A[0], f"{QUERY}.lora_B.weight": B}, "no halves of linear"),
        ({f"{QUERY}.lora_magnitude_vector.weight": A}, "no halves of linear"),
        ({"base_model.model.lm_head.weight": A}, "no halves of linear"),
    ],
)
def test_torn_weights_are_refused(tmp_path, tensors, said):
    with pytest.raises(CheckpointError, match=said):
        read_adapter(write(tmp_path / "adapter", tensors))


def test_a_module_that_should_be_saved_and_is_not_is_told(tmp_path):
    adapter = write(tmp_path / "adapter", modules_to_save=["multi_modal_projector"])
    with pytest.raises(CheckpointError, match="lacks modules that were saved: multi_modal_proj"):
        read_adapter(adapter)


def test_an_adapter_of_another_model_is_refused_with_its_modules(base, tmp_path):
    tensors = {
        f"{QUERY}.lora_A.weight": A[:, :32].clone(),
        f"{QUERY}.lora_B.weight": B,
        f"{QUERY}x.lora_A.weight": A,
        f"{QUERY}x.lora_B.weight": B,
    }
    adapter = read_adapter(write(tmp_path / "adapter", tensors))
    loaded = import_model(base)
    old = weight(loaded)
    with pytest.raises(CheckpointError) as refusal:
        merge_adapter(loaded, adapter)
    assert "q_proj is (64, 64), adapted as (64, 32)" in str(refusal.value)
    assert "no module model.language_model.layers.0.self_attn.q_projx" in str(refusal.value)
    assert torch.equal(weight(loaded), old)


def test_a_folder_that_is_no_adapter_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="give the folder of a PEFT adapter"):
        read_adapter(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"adapter_config.json does not exist"):
        read_adapter(tmp_path)
