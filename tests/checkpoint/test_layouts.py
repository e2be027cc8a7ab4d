"""The published layout: what is written comes back, and what it cannot say is refused."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.checkpoint.published import loaded, small, small_architecture, specials_last, untied
from tests.laws.debug_models import QUESTIONS, answered, subject

from triptych.architectures import debug_tokenizer, find_architecture
from triptych.checkpoint import files
from triptych.checkpoint.layouts import export_model, import_model, is_published
from triptych.checkpoint.model_folder import LoadedModel, save_model
from triptych.errors import (
    CheckpointError,
    ConfigError,
    TokenError,
    UnknownNameError,
    UsageError,
)
from triptych.generate import GenerationOptions
from triptych.processor import Processor
from triptych.published.families.qwen2_vl_layout import published_tensors
from triptych.published.families.qwen2_vl_settings import read_settings, write_settings
from triptych.published.families.qwen2_vl_text import CHAT_TEMPLATE
from triptych.tasks import load
from triptych.text import QWEN2_VL, QWEN2_VL_SPECIALS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export_model(tmp_path / "small", small())
    return tmp_path / "small"


def edit(path: Path, **changes: object) -> None:
    """Change settings of a JSON file; a key `group__key` is one inside a group."""
    plain = json.loads(path.read_text())
    for key, value in changes.items():
        group, _, inner = key.rpartition("__")
        (plain[group] if group else plain)[inner] = value
    path.write_text(json.dumps(plain))


def state_of(each: LoadedModel) -> dict[str, torch.Tensor]:
    return each.model.state_dict()


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return list(ours) == list(theirs) and all(
        tensor.dtype == theirs[name].dtype and torch.equal(tensor, theirs[name])
        for name, tensor in ours.items()
    )


# -- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", [None, specials_last()], ids=["specials first", "last"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_a_model_comes_back_bit_for_bit(tmp_path, tied, tokenizer):
    architecture = small_architecture() if tied else untied(small_architecture())
    before = loaded(architecture, tokenizer)
    export_model(tmp_path / "small", before)
    after = import_model(tmp_path / "small")
    assert same(state_of(before), state_of(after))
    assert after.architecture.processor == architecture.processor
    assert not after.model.training and all(p.requires_grad for p in after.model.parameters())
    sample = before.processor.encode(answered(QUESTIONS[3], "a red circle"))
    again = after.processor.encode(answered(QUESTIONS[3], "a red circle"))
    assert again.token_ids == sample.token_ids
    with torch.no_grad():
        ours = before.model(before.processor.collate([sample]))
        theirs = after.model(after.processor.collate([again]))
    assert torch.equal(ours, theirs)


def test_a_second_export_is_the_first(folder, tmp_path):
    export_model(tmp_path / "again", import_model(folder))
    for path in folder.iterdir():
        if path.name != "README.md":
            assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_concerns_training_alone_is_not_carried(folder):
    model = import_model(folder).architecture.model
    trained = small_architecture().model
    assert trained.language.dropout == trained.vision.dropout == 0.1
    assert model.language.dropout == model.vision.dropout == 0.0


def test_numbers_and_ids_are_those_of_the_model_and_its_tokenizer(tmp_path):
    before = loaded(small_architecture(), specials_last())
    export_model(tmp_path / "small", before)
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    special = before.processor.tokenizer.special
    assert config["image_token_id"] == special("<|image_pad|>") >= 256
    assert config["eos_token_id"] == special("<|im_end|>")
    assert config["vocab_size"] == 352 > before.processor.tokenizer.vocab_size
    assert config["rope_scaling"] == {"type": "mrope", "mrope_section": [2, 3, 3]}
    assert config["rope_theta"] == 50_000.0
    assert config["vision_config"]["mlp_ratio"] == 2
    assert config["vision_config"]["hidden_size"] == config["hidden_size"] == 64
    generation = json.loads((tmp_path / "small" / "generation_config.json").read_text())
    assert generation["eos_token_id"] == list(before.processor.end_ids)


@pytest.mark.parametrize("name", ["mini", "qwen2_vl_2b", "qwen2_vl_7b", "qwen2_vl_72b"])
def test_settings_of_every_size_are_read_back(name):
    architecture = find_architecture(name)
    config, preprocessor = write_settings(
        architecture, debug_tokenizer(QWEN2_VL_SPECIALS), "bfloat16"
    )
    model, resize = read_settings(json.loads(json.dumps(config)), preprocessor)
    assert (model, resize) == (architecture.model, architecture.processor.resize)
    assert config["image_token_id"] == 12  # the debug tokenizer's, not the published 151,655


def test_the_tensors_are_named_and_shaped_as_published():
    shapes = {each.name: each.shape for each in published_tensors(small_architecture().model)}
    assert shapes["visual.patch_embed.proj.weight"] == (48, 3, 2, 14, 14)
    assert shapes["visual.blocks.2.attn.qkv.bias"] == (144,)
    assert shapes["visual.merger.mlp.2.weight"] == (64, 192)
    assert shapes["model.layers.1.self_attn.k_proj.weight"] == (32, 64)
    assert "lm_head.weight" not in shapes
    names = {each.name for each in published_tensors(untied(small_architecture()).model)}
    assert names - set(shapes) == {"lm_head.weight"}


def test_query_key_and_value_are_stacked_in_this_order(folder):
    qkv = files.read_tensors(folder / "model.safetensors")["visual.blocks.1.attn.qkv.weight"]
    state = state_of(small())
    for part, piece in zip(("query", "key", "value"), qkv.split(48), strict=True):
        assert torch.equal(piece, state[f"vision.blocks.1.attention.{part}.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_when_written_and_full_precision_is_read(tmp_path, dtype):
    before = loaded(small_architecture())
    before.model.to(dtype)
    export_model(tmp_path / "half", before)
    after = import_model(tmp_path / "half")
    kept = import_model(tmp_path / "half", dtype=None)
    assert {each.dtype for each in state_of(after).values()} == {torch.float32}
    assert same(state_of(before), state_of(kept))
    assert same({n: t.float() for n, t in state_of(before).items()}, state_of(after))


def test_large_models_are_written_in_several_files(tmp_path):
    export_model(tmp_path / "small", small(), shard_bytes=100_000)
    names = sorted(p.name for p in (tmp_path / "small").glob("*.safetensors"))
    assert len(names) >= 3
    assert names[0] == f"model-00001-of-{len(names):05}.safetensors"
    for name in names[:-1]:
        tensors = files.read_tensors(tmp_path / "small" / name)
        assert sum(t.nbytes for t in tensors.values()) <= 100_000 or len(tensors) == 1
    index = json.loads((tmp_path / "small" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(names)
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in state_of(small()).values())
    assert same(state_of(small()), state_of(import_model(tmp_path / "small")))


def test_the_names_in_memory_of_transformers_5_are_read_too(folder):
    tensors = files.read_tensors(folder / "model.safetensors")
    in_memory = {
        name.replace("visual.", "model.visual.", 1)
        if name.startswith("visual.")
        else name.replace("model.", "model.language_model.", 1): tensor
        for name, tensor in tensors.items()
    }
    in_memory["lm_head.weight"] = in_memory["model.language_model.embed_tokens.weight"]
    files.write_tensors(folder / "model.safetensors", in_memory)
    assert same(state_of(small()), state_of(import_model(folder)))


# -- the chat template ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "messages",
    [
        *QUESTIONS,
        answered(QUESTIONS[3], "a red circle"),
        [{"role": "system", "content": "Be brief."}, *QUESTIONS[0]],
        [*answered(QUESTIONS[0], "a circle"), {"role": "user", "content": "  and now?\n"}],
    ],
)
@pytest.mark.parametrize("ask", [True, False])
def test_the_published_template_writes_what_ours_writes(messages, ask):
    ours = small_architecture().processor.template
    theirs = replace(ours, source=CHAT_TEMPLATE)
    assert theirs.render(messages, add_generation_prompt=ask) == ours.render(
        messages, add_generation_prompt=ask
    )


def test_a_template_of_ones_own_is_written_so_that_it_stands_alone(tmp_path):
    source = (
        "\n{% for part in messages[0].content %}"
        "{{ part.text if part.text else image_token }}{% endfor %}{{ eos_token }}"
    )
    own = replace(QWEN2_VL, source=source, end_tokens=("<|im_end|>",))
    architecture = small_architecture()
    architecture = replace(architecture, processor=replace(architecture.processor, template=own))
    export_model(tmp_path / "own", loaded(architecture))
    alone = (tmp_path / "own" / "chat_template.jinja").read_text()
    messages = QUESTIONS[0]
    stranger = replace(own, source=alone, image_token="<|video_pad|>")
    assert (
        stranger.render(messages) == own.render(messages) == "\n<|image_pad|>what is it?<|im_end|>"
    )
    assert import_model(tmp_path / "own").architecture.processor.template == own


# -- what is refused ------------------------------------------------------------------------------


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="no layout named 'onnx'; known: hf"):
        export_model(tmp_path / "small", small(), "onnx")


def test_a_family_without_a_layout_is_refused(tmp_path):
    debug = subject("llava_debug")
    given = LoadedModel(debug.architecture, debug.model, debug.processor)
    with pytest.raises(UsageError, match="llava_debug has no published Hugging Face layout"):
        export_model(tmp_path / "out", given)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("panel", "change", "named"),
    [
        ("vision", {"ffn_dim": 100}, r"model.vision.ffn_dim = 100; .* back as 96"),
        ("vision", {"feature_layer": -2}, "model.vision.feature_layer = -2"),
        ("vision", {"rope_theta": 500.0}, "model.vision.rope_theta = 500.0"),
        ("connector", {"norm_eps": 1e-3}, "model.connector.norm_eps = 0.001"),
        ("language", {"head_dim": 32}, "head_dim is 32; supported: 16"),
        ("language", {"out_bias": True}, "model.language.out_bias = True"),
        ("language", {"window": 64}, "model.language.window = 64"),
        ("language", {"activation": "gelu"}, "hidden_act is 'gelu'; supported: 'silu'"),
    ],
)
def test_what_the_layout_cannot_say_is_refused_by_name(tmp_path, panel, change, named):
    architecture = small_architecture()
    if "head_dim" in change:
        change = {
            **change,
            "positions": replace(architecture.model.language.positions, mrope_sections=(4, 6, 6)),
        }
    changed = replace(getattr(architecture.model, panel), **change)
    architecture = replace(architecture, model=replace(architecture.model, **{panel: changed}))
    with pytest.raises(ConfigError, match=named):
        export_model(tmp_path / "out", loaded(architecture))
    assert os.listdir(tmp_path) == []


def test_a_tokenizer_without_a_special_token_is_refused(tmp_path):
    tokenizer = debug_tokenizer(QWEN2_VL_SPECIALS[:-1])
    with pytest.raises(TokenError, match=r"no special token '<\|video_pad\|>'"):
        export_model(tmp_path / "out", loaded(small_architecture(), tokenizer))
    assert os.listdir(tmp_path) == []


def test_a_folder_of_something_else_is_not_written_over(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="letters exists and holds no model; name a new folder"):
        export_model(tmp_path / "letters", small())
    assert (tmp_path / "letters" / "letter.txt").read_text() == "dear"


def test_a_crash_while_writing_leaves_the_old_export(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def crash(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        export_model(folder, loaded(untied(small_architecture())))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert os.listdir(folder.parent) == ["small"]


@pytest.mark.parametrize(
    ("file", "change", "named"),
    [
        ("config", {"model_type": "qwen3_vl"}, "model_type is 'qwen3_vl'"),
        ("config", {"hidden_act": "gelu"}, "config.json: hidden_act is 'gelu'; supported: 'silu'"),
        ("config", {"use_sliding_window": True}, "use_sliding_window is True"),
        ("config", {"head_dim": 24}, "head_dim is 24; supported: 16"),
        ("config", {"quantization_config": {"bits": 4}}, "quantization_config is {'bits': 4}"),
        ("config", {"hidden_size": "64"}, "hidden_size is '64'; a whole number"),
        ("config", {"num_hidden_layers": None}, "lacks the key 'num_hidden_layers'"),
        ("config", {"rope_scaling__type": "yarn"}, "rope_scaling: type is 'yarn'"),
        ("config", {"rope_scaling__factor": 4}, "factor is 4; supported: only leaving it out"),
        (
            "config",
            {"rope_scaling__mrope_section": [8]},
            r"mrope_section is \[8\]; a list of three",
        ),
        ("config", {"vision_config__hidden_act": "gelu"}, "vision_config: hidden_act is 'gelu'"),
        ("config", {"vision_config__in_channels": 1}, "in_channels is 1; supported: 3"),
        ("config", {"vision_config__hidden_size": 32}, "hidden_size is 32; supported: 64"),
        ("config", {"vision_config__mlp_ratio": 2.5}, "mlp_ratio is 2.5; a whole number"),
        ("config", {"image_token_id": 300}, "image_token_id names the token 300"),
        ("generation_config", {"eos_token_id": [2, 301]}, "eos_token_id names the token 301"),
        ("preprocessor_config", {"resample": 2}, "resample is 2; supported: 3"),
        ("preprocessor_config", {"do_rescale": False}, "do_rescale is False; supported: True"),
        ("preprocessor_config", {"patch_size": 16}, "patch_size is 16; supported: 14"),
        ("preprocessor_config", {"image_mean": 0.5}, "image_mean is 0.5; a list of three"),
    ],
)
def test_a_setting_that_is_not_supported_is_named_with_its_value(folder, file, change, named):
    edit(folder / f"{file}.json", **change)
    with pytest.raises(ConfigError, match=named):
        import_model(folder)


def test_missing_unexpected_and_misshapen_tensors_are_listed(folder):
    tensors = files.read_tensors(folder / "model.safetensors")
    tensors["visual.extra"] = tensors.pop("visual.merger.ln_q.bias")
    tensors["model.norm.weight"] = torch.ones(3)
    files.write_tensors(folder / "model.safetensors", tensors)
    message = (
        r"missing: visual.merger.ln_q.bias; unexpected: visual.extra; "
        r"shape: model.norm.weight is \(3,\), expected \(64,\)"
    )
    with pytest.raises(CheckpointError, match=message):
        import_model(folder)


def test_a_head_that_differs_from_what_it_is_tied_to_is_refused(folder):
    tensors = files.read_tensors(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1
    files.write_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match="differ; set tie_word_embeddings to false"):
        import_model(folder)


def test_a_tensor_under_both_kinds_of_name_is_refused(folder):
    tensors = files.read_tensors(folder / "model.safetensors")
    tensors["model.language_model.norm.weight"] = tensors["model.norm.weight"]
    files.write_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match="a tensor twice"):
        import_model(folder)


def test_quantised_weights_are_refused(folder):
    tensors = files.read_tensors(folder / "model.safetensors")
    tensors["model.norm.weight"] = torch.ones(64, dtype=torch.int8)
    files.write_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=r"stores model.norm.weight as I8; quantised"):
        import_model(folder)


def test_pickled_weights_are_refused_unread(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin is a pickle file, which can run"):
        import_model(folder)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("model.safetensors", CheckpointError),
        ("preprocessor_config.json", CheckpointError),
        ("tokenizer.json", TokenError),
    ],
)
def test_a_missing_or_torn_file_is_refused_by_name(folder, name, error):
    path = folder / name
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(error, match=name):
        import_model(folder)
    path.unlink()
    with pytest.raises(error, match=name):
        import_model(folder)


def test_a_folder_without_a_chat_template_is_refused(folder):
    (folder / "chat_template.jinja").unlink()
    assert import_model(folder).processor.template == small().processor.template
    edit(folder / "tokenizer_config.json", chat_template=None)
    with pytest.raises(CheckpointError, match=r"holds no chat template; add chat_template.jinja"):
        import_model(folder)


def test_an_index_cannot_name_files_elsewhere(folder):
    index = {"weight_map": {"model.norm.weight": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="outside its folder"):
        import_model(folder)


# -- use ------------------------------------------------------------------------------------------


def test_a_published_folder_is_loaded_like_any_other(folder, tmp_path):
    architecture, before = small_architecture(), small()
    save_model(tmp_path / "own", architecture, before.model, before.processor.tokenizer)
    assert is_published(folder) and not is_published(tmp_path / "own")
    options = GenerationOptions(max_new_tokens=6)
    picture = QUESTIONS[0][0]["content"][0]["image"]
    answers = [load(each).ask([picture], "what?", options) for each in (folder, tmp_path / "own")]
    assert answers[0] == answers[1]


def test_the_card_tells_what_the_model_is_and_how_to_serve_it(folder):
    card = (folder / "README.md").read_text()
    total = sum(each.numel() for each in small().model.parameters())
    assert f"{total:,}" in card and "# small" in card
    for engine in ("transformers", "vllm serve", "sglang.launch_server", "convert_hf_to_gguf.py"):
        assert engine in card


def test_every_weight_of_a_model_without_buffers_is_read(folder):
    # Reading leaves memory unset before it is filled, so nothing but parameters may be there.
    assert list(import_model(folder).model.buffers()) == []
    assert isinstance(import_model(folder).processor, Processor)
