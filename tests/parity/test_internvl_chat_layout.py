"""InternVL in its authors' layout: read with equal numbers, written in that of transformers."""

import pytest
import torch
from tests.laws.debug_models import picture
from tests.parity.families import internvl_chat as family

from triptych.checkpoint.layouts import export_model, import_model
from triptych.errors import CheckpointError, ConfigError
from triptych.processor import ask_about

transformers = pytest.importorskip("transformers")


def test_all_rows_of_the_table_are_met():
    """Measured worst case on a CPU: 1.2e-6 vision, 1.2e-6 connector, 3.9e-6 logits."""
    rows = family.rows()
    assert len(rows) == 2 and all(row.is_met() for row in rows), rows


@pytest.mark.parametrize("kind", list(family.KINDS))
def test_it_is_written_in_the_layout_of_transformers(tmp_path, kind):
    given = family.reference(**family.KINDS[kind])
    family.save(tmp_path / "theirs", given)
    export_model(tmp_path / "ours", import_model(tmp_path / "theirs"))
    after = transformers.InternVLForConditionalGeneration.from_pretrained(tmp_path / "ours")
    before = given.state_dict()
    assert set(before) == set(after.state_dict()) and len(before) > 60
    assert all(torch.equal(before[name], each) for name, each in after.state_dict().items())


@pytest.mark.parametrize(
    ("name", "behind"), [("Hermes-2", ""), ("internlm2-chat", ""), ("internvl2_5", "\n")]
)
def test_the_conversation_is_the_one_that_is_named(tmp_path, name, behind):
    family.save(tmp_path, family.reference(), template=name)
    processor = import_model(tmp_path).processor
    turns = [
        *ask_about([picture(0, 24, 24)], "hi"),
        {"role": "assistant", "content": "hello"},
        *ask_about([], "and?"),
    ]
    ids = processor.encode(turns, add_generation_prompt=True).token_ids
    text = processor.tokenizer.decode(ids, skip_special=False)
    slots = "<IMG_CONTEXT>" * 9
    system, said = text.split(f"<|im_end|>{behind}", 1)
    assert system.startswith("<|im_start|>system\n你是") and "InternVL" in system
    assert said == (
        f"<|im_start|>user\n<img>{slots}</img>\nhi<|im_end|>{behind}"
        f"<|im_start|>assistant\nhello<|im_end|>{behind}"
        f"<|im_start|>user\nand?<|im_end|>{behind}<|im_start|>assistant\n"
    )
    own = processor.encode([{"role": "system", "content": "be brief"}, *ask_about([], "hi")])
    assert "InternVL" not in processor.tokenizer.decode(own.token_ids)


def test_pictures_that_are_not_cut_are_seen_in_one_tile(tmp_path):
    family.save(tmp_path, family.reference(), dynamic_image_size=False, use_thumbnail=False)
    encoded = import_model(tmp_path).processor.encode_image(picture(0, 90, 30))
    assert encoded.pixels.shape == (1, 3, 24, 24)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"ps_version": "v1"}, "ps_version is 'v1'; supported: 'v2'"),
        ({"select_layer": -2}, "select_layer is -2"),
        ({"template": "phi3-chat"}, "template is 'phi3-chat'; supported: 'Hermes-2'"),
        ({"use_thumbnail": False}, "use_thumbnail is False"),
        ({"force_image_size": 448}, "force_image_size is 448; supported: 24"),
        ({"llm_config": {"model_type": "internlm2"}}, "model_type is 'internlm2'; supported"),
        ({"use_llm_lora": 8}, "use_llm_lora is 8"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, changes, named):
    family.save(tmp_path, family.reference(), **changes)
    with pytest.raises(ConfigError, match=named):
        import_model(tmp_path)


def test_missing_and_unexpected_tensors_are_listed(tmp_path):
    from triptych.checkpoint import files

    model = family.reference()
    family.save(tmp_path, model)
    state = family.authors_state(model)
    state["mlp1.7.weight"] = state.pop("mlp1.3.weight").clone()
    files.write_tensors(tmp_path / "model.safetensors", state)
    with pytest.raises(CheckpointError, match=r"mlp1\.3\.weight.*mlp1\.7\.weight"):
        import_model(tmp_path)
