"""A model from published parts: panels as they were, a fresh connector, a token for pictures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.checkpoint.parts import moved, write_language_folder, write_vision
from tests.laws.debug_models import picture

from triptych.checkpoint.building import CONNECTORS, build_from_parts, with_mean_rows
from triptych.checkpoint.files import read_tensors, write_tensors
from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel, load_model, save_model
from triptych.checkpoint.parts import load_language, load_vision
from triptych.connector import AttentionPoolConfig, QFormerConfig
from triptych.errors import CheckpointError, ConfigError, TokenError, UnknownNameError, UsageError
from triptych.generate import GenerationOptions, generate
from triptych.media import PadToSquareConfig
from triptych.processor import ask_about
from triptych.published.tensors import part_tensors
from triptych.published.vision import DINOV2
from triptych.vision import ViTConfig, dinov2_vit_b14


@pytest.fixture
def vision(tmp_path: Path) -> Path:
    write_vision(tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def language(tmp_path: Path) -> Path:
    write_language_folder(tmp_path / "llama")
    return tmp_path / "llama"


def build(vision: Path, language: Path, connector: str = "mlp", seed: int = 0) -> LoadedModel:
    return build_from_parts(vision, connector, language, name="new", seed=seed)


def edit(path: Path, **changes: object) -> None:
    plain: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, **changes}))


def test_the_panels_keep_the_weights_of_their_folders(vision, language):
    built = build(vision, language)
    state = built.model.state_dict()
    _, eyes = load_vision(vision)
    _, words, _ = load_language(language)
    read = [name for name in eyes if f"vision.{name}" in state]
    assert all(torch.equal(eyes[name], state[f"vision.{name}"]) for name in read)
    left_out = set(eyes) - set(read)
    assert {name.rpartition(".")[0][:8] for name in left_out} == {"blocks.2", "final_no"}
    old = words["embedding.weight"]
    assert torch.equal(state["language.embedding.weight"][: len(old)], old)
    rest = [name for name in words if name not in ("embedding.weight", "lm_head.weight")]
    assert all(torch.equal(words[name], state[f"language.{name}"]) for name in rest)


def test_the_connector_depends_on_the_seed_alone(vision, language):
    first, again, other = (
        build(vision, language, seed=seed).model.connector.up.weight for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_the_picture_token_gets_the_mean_of_all_rows(tmp_path, vision, tied):
    config = write_language_folder(tmp_path / "llama", tied=tied)
    built = build(vision, tmp_path / "llama")
    id = built.processor.tokenizer.special("<image>")
    assert id == config.vocab_size and built.model.config.language.vocab_size == id + 1
    for name in ("embedding.weight", "lm_head.weight"):
        if name in built.model.language.state_dict():
            table = built.model.language.state_dict()[name]
            torch.testing.assert_close(table[id], table[:id].mean(dim=0))


def test_a_table_with_spare_rows_keeps_its_size():
    table = torch.arange(12.0).reshape(6, 2)
    grown = with_mean_rows({"embedding.weight": table}, 3, 4)["embedding.weight"]
    assert grown.tolist() == [[0, 1], [2, 3], [4, 5], [2, 3], [8, 9], [10, 11]]


def test_a_picture_stands_in_the_language_models_own_chat(vision, language):
    template = build(vision, language).processor.template
    messages = [*ask_about([picture(0), picture(1)], "what is it?"), assistant("a cross")]
    assert template.render(messages, add_generation_prompt=True) == (
        "<s><|im_start|>user\n<image>\n<image>\nwhat is it?<|im_end|>\n"
        "<|im_start|>assistant\na cross<|im_end|>\n<|im_start|>assistant\n"
    )


def test_what_else_a_message_says_still_reaches_the_template(tmp_path, vision):
    write_language_folder(tmp_path / "calls")
    source = "{% for m in messages %}{{ m.name }}: {{ m.content }}<|im_end|>{% endfor %}"
    (tmp_path / "calls" / "chat_template.jinja").write_text(source)
    template = build(vision, tmp_path / "calls").processor.template
    message = {**ask_about([picture(0)], "hi")[0], "name": "Ada"}
    assert template.render([message]) == "Ada: <image>\nhi<|im_end|>"


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def test_a_model_that_does_not_chat_gets_the_plain_template(tmp_path, vision):
    write_language_folder(tmp_path / "base", chats=False)
    template = build(vision, tmp_path / "base").processor.template
    messages = [*ask_about([picture(0)], "it is "), assistant("a cross")]
    assert template.render(messages) == "<image>it is a cross<|im_end|>"


@pytest.mark.parametrize("connector", list(CONNECTORS))
def test_every_connector_makes_a_model_that_answers_and_comes_back(
    tmp_path, vision, language, connector, monkeypatch
):
    small = QFormerConfig(num_queries=4, dim=32, depth=2, num_heads=2, ffn_dim=48)
    monkeypatch.setitem(CONNECTORS, "qformer", lambda: small)  # BLIP-2's takes seconds
    pool = AttentionPoolConfig(num_heads=2)  # Qwen-VL's 32 do not divide so small a width
    monkeypatch.setitem(CONNECTORS, "attention_pool", lambda: pool)
    built = build(vision, language, connector)
    save_model(tmp_path / "new", built.architecture, built.model, built.processor.tokenizer)
    again = load_model(tmp_path / "new")
    said = []
    for each in (built, again):
        prompt = each.processor.encode(
            ask_about([picture(0, 40, 70)], "what is it?"), add_generation_prompt=True
        )
        options = GenerationOptions(max_new_tokens=4)
        said.append(generate(each.model, each.processor, [prompt], options)[0].token_ids)
    assert said[0] == said[1] and len(said[0]) > 0


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_llava_of_parts_is_exported_as_llava(tmp_path, language, kind):
    write_vision(tmp_path / kind, kind)
    built = build(tmp_path / kind, language)
    export_model(tmp_path / "hf", built)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert (config["model_type"], config["vision_feature_layer"]) == ("llava", -2)
    again = import_model(tmp_path / "hf")
    assert again.architecture.processor == built.architecture.processor
    ours, theirs = built.model.state_dict(), again.model.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    written = read_tensors(tmp_path / "hf" / "model.safetensors")
    # What nothing reads is zero, so that the last block passes on what the one before put out.
    behind = [tensor for name, tensor in written.items() if "encoder.layers.2." in name]
    assert len(behind) == 16 and not any(tensor.any() for tensor in behind)


def write_dinov2(folder: Path) -> None:
    """DINOv2 learned at 32 x 32 pixels, whose picture settings crop to 24 x 24."""
    config = replace(
        dinov2_vit_b14(), image_size=32, patch_size=8, dim=32, depth=2, num_heads=2, ffn_dim=64
    )
    state = moved(config.build())
    tensors = part_tensors(config, DINOV2.names, DINOV2.title)
    write_tensors(folder / "model.safetensors", {each.name: each.join(state) for each in tensors})
    settings = {
        "model_type": "dinov2",
        "hidden_size": 32,
        "image_size": 32,
        "patch_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
    }
    pixels = {
        "size": {"shortest_edge": 28},
        "crop_size": {"height": 24, "width": 24},
        "image_mean": [0.5, 0.4, 0.25],
        "image_std": [0.2, 0.2, 0.2],
    }
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))


def test_dinov2_is_read_at_its_output_in_the_size_of_its_pictures(tmp_path, language):
    write_dinov2(tmp_path / "dino")
    built = build(tmp_path / "dino", language)
    vision, resize = built.architecture.model.vision, built.architecture.processor.resize
    assert isinstance(vision, ViTConfig) and vision.final_norm and not vision.keep_class_token
    assert vision.pixel_mean == (0.5, 0.4, 0.25)
    assert resize == PadToSquareConfig(size=24, colour=(127, 102, 63))
    sample = built.processor.encode(ask_about([picture(0, 30, 50)], "hi"))
    assert sample.token_ids.count(built.processor.image_id) == 9
    with pytest.raises(UsageError, match="new has no published Hugging Face layout"):
        export_model(tmp_path / "hf", built)


# -- what is refused ------------------------------------------------------------------------------


def test_an_unknown_connector_is_refused(vision, language):
    with pytest.raises(
        UnknownNameError, match=r"no connector named 'mpl'; did you mean mlp or resampler\?"
    ):
        build(vision, language, "mpl")


def test_a_connector_that_cannot_fold_is_refused_before_weights_are_read(
    tmp_path, vision, language
):
    edit(vision / "config.json", image_size=40)  # 5 x 5 patches
    (vision / "model.safetensors").unlink()
    with pytest.raises(Exception, match="5 x 5"):
        build(vision, language, "pixel_shuffle")


@pytest.mark.parametrize("part", ["vision", "language"])
def test_a_family_that_is_not_known_lists_those_that_are(vision, language, part):
    edit((vision if part == "vision" else language) / "config.json", model_type="mamba")
    known = {"vision": "'vit', 'clip_vision_model'", "language": "'llama', 'mistral', 'qwen2'"}
    with pytest.raises(ConfigError, match=f"'mamba'; supported for {part}: {known[part]}"):
        build(vision, language)


@pytest.mark.parametrize("part", ["vision", "language"])
def test_a_folder_without_a_configuration_is_refused(tmp_path, vision, language, part):
    ((vision if part == "vision" else language) / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json does not exist; is .* a model\?"):
        build(vision, language)
    with pytest.raises(CheckpointError, match=r"nowhere is not a folder"):
        build(vision, tmp_path / "nowhere")


@pytest.mark.parametrize("part", ["vision", "language"])
def test_pickled_weights_are_refused_unread(vision, language, part):
    folder = vision if part == "vision" else language
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin is a pickle file"):
        build(vision, language)


def test_a_language_model_without_its_tokenizer_or_its_end_is_refused(vision, language):
    edit(language / "config.json", eos_token_id=200)
    with pytest.raises(ConfigError, match="eos_token_id names the token 200, which is no special"):
        build(vision, language)
    (language / "tokenizer.json").unlink()
    with pytest.raises(TokenError, match="no tokenizer file"):
        build(vision, language)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_type is 'llama3'"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; supported: 'silu'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is"),
        ({"attention_bias": "yes"}, "attention_bias is 'yes'; true or false is needed"),
    ],
)
def test_a_setting_that_is_not_supported_is_named_with_its_value(vision, language, change, named):
    edit(language / "config.json", **change)
    with pytest.raises(ConfigError, match=named):
        build(vision, language)


def test_a_gated_feed_forward_in_the_vision_panel_is_refused(vision, language):
    edit(vision / "config.json", model_type="dinov2", use_swiglu_ffn=True)
    with pytest.raises(ConfigError, match="use_swiglu_ffn is True; supported: False"):
        build(vision, language)


def test_old_tables_and_text_halves_are_left_in_their_files(vision, language):
    state = read_tensors(vision / "model.safetensors")
    state = {f"vision_model.{name}": tensor for name, tensor in state.items()}
    state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    state["text_model.final_layer_norm.bias"] = torch.zeros(3)
    state["logit_scale"] = torch.tensor(2.6)
    write_tensors(vision / "model.safetensors", state)
    write_tensors(
        language / "model.safetensors",
        {
            **read_tensors(language / "model.safetensors"),
            "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(6),
        },
    )
    assert build(vision, language).model.vision.dim == 32
