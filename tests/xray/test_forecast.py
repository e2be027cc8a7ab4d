"""The forecast: arithmetic of a configuration, compared with what is really held."""

from dataclasses import replace

import pytest
import torch
from tests.checkpoint.published import small, small_architecture, untied
from tests.laws.debug_models import subject

from triptych import machine
from triptych.architectures import find_architecture
from triptych.checkpoint.layouts import export_model, open_model
from triptych.checkpoint.precision import UNQUANTISED, read_quantize
from triptych.errors import UnknownNameError, UsageError
from triptych.fusion.vlm import PANELS
from triptych.nn.quantised import Int8Table, has_int8
from triptych.xray import forecast
from triptych.xray.forecast import foresee, shown, weight_bytes


def held(model: torch.nn.Module) -> int:
    """Bytes of all weights of a panel, quantised ones too."""
    plain = sum(each.nbytes for each in model.parameters())
    return plain + sum(getattr(each, "memory_bytes", 0) for each in model.modules())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_those_of_the_built_model(dtype):
    for name in ("qwen2_vl_debug", "llava_debug", "flamingo_debug", "smolvlm_debug"):
        design = find_architecture(name)
        built = design.build(seed=0).to(dtype)
        told = weight_bytes(design.model, dtype, UNQUANTISED)
        assert told == {panel: held(getattr(built, panel)) for panel in PANELS}, name


@pytest.mark.skipif(not has_int8(), reason="this CPU has no VNNI instructions")
@pytest.mark.parametrize("quantize", ["int8", "int4", "vision=int8", "language=int4"])
@pytest.mark.parametrize("is_tied", [True, False])
def test_quantised_weights_are_those_of_the_loaded_model(tmp_path, quantize, is_tied):
    design = small_architecture() if is_tied else untied(small_architecture())
    model = design.build(seed=0)
    export_model(tmp_path / "small", replace(small(), architecture=design, model=model))
    read = open_model(tmp_path / "small", quantize=read_quantize(quantize)).model
    told = weight_bytes(design.model, torch.float32, read_quantize(quantize))
    for panel in PANELS:
        assert told[panel] == held(getattr(read, panel))
    assert any(isinstance(each, Int8Table) for each in read.modules()) == (
        is_tied and read_quantize(quantize).language != "none"
    )


def test_the_cache_is_what_the_model_allocates():
    qwen = subject("qwen2_vl_debug")
    told = foresee("qwen2_vl_debug", picture="60x40", num_pictures=2, num_text_tokens=9)
    cache = qwen.model.language.allocate_cache(1, told.num_tokens)
    assert told.cache == cache.memory_bytes
    half = foresee("qwen2_vl_debug", picture="60x40", num_pictures=2, dtype="bfloat16")
    assert half.cache * 2 == told.cache // told.num_tokens * half.num_tokens


@pytest.mark.parametrize(("name", "tokens"), [("qwen2_vl_2b", 999), ("llava_1_5_7b", 576)])
def test_a_picture_is_as_many_tokens_as_the_processor_makes_of_it(name, tokens):
    told = foresee(name, picture="1024x768")
    assert told.num_visual_tokens == tokens
    assert told.num_tokens == tokens + 256
    assert foresee(name, num_pictures=0).num_tokens == 256
    assert foresee(name, num_pictures=3).num_tokens == 3 * tokens + 256


def test_a_picture_that_is_cut_counts_all_of_its_tiles():
    design = find_architecture("internvl2_1b")
    seen, tiles = shown(design, 768, 1024)
    assert tiles is not None and tiles.num_tiles > 1
    told = foresee("internvl2_1b")
    assert told.num_visual_tokens == design.model.num_visual_tokens(*seen, tiles)
    assert told.activations > foresee("internvl2_1b", picture="448x448").activations


def test_more_of_anything_takes_more():
    least = foresee("mini", picture="112x112", num_text_tokens=32)
    for more in ({"picture": "448x448"}, {"num_pictures": 9}, {"num_text_tokens": 1000}):
        told = foresee("mini", **{"picture": "112x112", "num_text_tokens": 32, **more})
        assert told.cache > least.cache and told.activations > least.activations
        assert told.weights == least.weights


def test_it_fits_when_there_is_room(monkeypatch):
    monkeypatch.setattr(forecast, "available_memory_bytes", lambda: 10**9)
    assert foresee("mini").fits
    assert not foresee("qwen2_vl_2b").fits
    assert foresee("mini").as_dict()["fits"] is True


def test_every_named_architecture_has_a_forecast():
    from triptych.architectures import ARCHITECTURES

    for name in ARCHITECTURES:
        if name.endswith("_debug"):
            told = foresee(name, picture="64x48")
            assert told.activations > 0 and told.cache > 0, name


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"picture": "wide"}, UsageError, "must be WIDTHxHEIGHT in pixels, like 1024x768"),
        ({"num_pictures": -1}, UsageError, "make no prompt"),
        ({"num_text_tokens": 0}, UsageError, "make no prompt"),
        ({"dtype": "int8"}, UnknownNameError, "no kind of numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        foresee("mini", **arguments)


def test_an_unknown_model_is_refused():
    with pytest.raises(UnknownNameError, match="no model named 'qwen'"):
        foresee("qwen")
    with pytest.raises(UnknownNameError, match="did you mean qwen2_vl_7b"):
        foresee("qwen2_vl_7")
    with pytest.raises(UsageError, match="clip_debug does not generate"):
        foresee("clip_debug")


# -- this machine ---------------------------------------------------------------------------------


def test_the_kernel_says_what_is_free(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal:  4000 kB\nMemAvailable:  3000 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUP", tmp_path / "none")
    assert machine.available_memory_bytes() == 3000 * 1024


def test_a_container_has_what_its_limit_leaves(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemAvailable:  3000 kB\n")
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("600000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert machine.available_memory_bytes() == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory_bytes() == 3000 * 1024


def test_other_systems_say_how_much_they_have(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "none")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.available_memory_bytes() > 10**8
