"""Random weights in a named architecture, and a picture to show it."""

import pytest
import torch
from PIL import Image
from tests.laws.debug_models import DEBUG_NAMES, picture

from triptych.errors import FailureError, UnknownNameError, UsageError
from triptych.measure import fresh
from triptych.measure.fresh import fresh_model
from triptych.measure.picture import write_picture
from triptych.processor import ask_about


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_every_architecture_is_opened_without_files(name):
    loaded = fresh_model(name.replace("_", "-"))
    assert loaded.architecture.name == name
    assert not loaded.model.training
    messages = ask_about([picture(0)], "what is it?")
    sample = loaded.processor.encode(messages, add_generation_prompt=True)
    inputs = loaded.processor.collate([sample], pad="left")
    with torch.inference_mode():
        logits = loaded.model(inputs)
    assert bool(logits.isfinite().all()) and float(logits.std()) > 1e-4


def test_weights_depend_on_the_seed_alone():
    first, again, other = (fresh_model("llava_debug", seed=seed).model for seed in (0, 0, 1))
    for one, same in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, same)
    weight, unlike = (each.language.blocks[0].mlp.up.weight.detach() for each in (first, other))
    assert not torch.equal(weight, unlike)
    assert float(weight.std()) == pytest.approx(0.02, rel=0.05)


def test_numbers_and_pixels_are_those_asked_for():
    loaded = fresh_model("qwen2_vl_debug", dtype="bfloat16", max_pixels=32 * 32)
    assert loaded.model.language.dtype == torch.bfloat16
    assert loaded.processor.encode_image(picture(0, 90, 90)).height == 32


def test_what_does_not_fit_is_refused_with_numbers(monkeypatch):
    monkeypatch.setattr(fresh, "available_memory_bytes", lambda: 10**9)
    with pytest.raises(FailureError, match=r"qwen2_vl_2b take 8\.84 GB .* 1\.00 GB to spare"):
        fresh_model("qwen2-vl-2b")


def test_names_that_mean_nothing_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean qwen2_vl_2b"):
        fresh_model("qwen2-vl-2")
    with pytest.raises(UnknownNameError, match="no kind of numbers"):
        fresh_model("mini", dtype="float8")


def test_a_picture_is_drawn_in_the_size_asked_for(tmp_path):
    first = write_picture(tmp_path / "a.png", 70, 50)
    again = write_picture(tmp_path / "b.png", 70, 50)
    with Image.open(first) as opened:
        assert opened.size == (70, 50)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != write_picture(again, 70, 50, seed=1).read_bytes()


def test_a_picture_of_no_kind_is_refused(tmp_path):
    with pytest.raises(UsageError, match="which kind of picture"):
        write_picture(tmp_path / "a", 70, 50)
