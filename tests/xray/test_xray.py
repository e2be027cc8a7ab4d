"""What an X-ray says is what the model does."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.laws.debug_models import DEBUG_NAMES, picture, subject

from triptych.architectures import find_architecture
from triptych.checkpoint.model_folder import save_model
from triptych.errors import UsageError
from triptych.fusion.vlm import PANELS
from triptych.processor import ask_about
from triptych.shapes import Tiles
from triptych.xray import report as report_module
from triptych.xray.anatomy import anatomy, count_parameters
from triptych.xray.report import draw_patch_norms, laid_out, look_at, print_report
from triptych.xray.walk import cache_bytes_per_token, walk


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_every_parameter_is_counted_once(name):
    debug = subject(name)
    described, built = anatomy(debug.model.config), count_parameters(debug.model)
    assert described == built
    assert built.total == sum(each.numel() for each in debug.model.parameters())
    assert tuple(built.panels) == PANELS
    for panel, count in built.panels.items():
        parts = [n for part, n in built.parts.items() if part.startswith(f"{panel}.")]
        assert sum(parts) == count


def test_a_parameter_without_a_panel_is_noticed():
    model = find_architecture("llava_debug").build(seed=0)
    model.register_parameter("stray", torch.nn.Parameter(torch.zeros(1)))
    with pytest.raises(AssertionError, match="stray belongs to no panel"):
        count_parameters(model)


@pytest.mark.parametrize("name", DEBUG_NAMES)
def test_the_way_of_a_picture_is_the_one_it_takes(name):
    debug = subject(name)
    design = debug.architecture
    seen = walk(design.model, design.processor, 50, 80)
    prompt = debug.prompt(ask_about([picture(0, 50, 80)]))
    [image], [span] = prompt.images, prompt.spans
    assert seen.resized == debug.processor.config.resize.target_size(50, 80)
    if image.tiles is None:
        assert seen.resized == (image.height, image.width)
    assert seen.num_slots == span.num_slots
    with torch.no_grad():
        pixels = image.pixels[None] if image.tiles is None else image.pixels
        features = debug.model.vision(pixels)
        visual = debug.model.connector(features)
        joined = debug.model.join(visual, features.grid, image.tiles)
    assert (seen.num_visual_tokens, seen.num_tiles) == (len(joined), len(pixels))
    shapes = {step.name: step.shape for step in seen.steps}
    assert shapes["pixels"] == tuple(pixels.shape)
    assert shapes["vision: cells"] == tuple(features.cells.shape)
    assert shapes["connector"] == tuple(visual.shape)
    assert shapes["sequence"][1] == span.num_slots + 16
    assert shapes["language: logits"] == (1, 1, design.model.language.vocab_size)


@pytest.mark.parametrize("name", ["llava_1_5_debug", "qwen2_vl_debug"])
def test_the_cache_takes_the_bytes_that_are_announced(name):
    model = subject(name).model
    cache = model.language.allocate_cache(1, 10)
    assert cache.memory_bytes == 10 * cache_bytes_per_token(model.config)


def test_a_large_model_is_looked_at_without_its_weights():
    report = look_at("", "qwen2_vl_7b", None, "1000x700")
    assert report.anatomy.total == 8_291_375_616
    assert report.walk.resized == (700, 1008)
    assert report.walk.num_slots == 900


@pytest.mark.parametrize("size", ["", "1000", "x", "0x5", "axb", "-1x5", "1.5x2"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(UsageError, match="--size must be WIDTHxHEIGHT"):
        look_at("", "llava_debug", None, size)


@pytest.mark.parametrize(("model", "architecture"), [("", ""), ("runs/x", "llava_debug")])
def test_one_model_is_to_be_named(model, architecture):
    with pytest.raises(UsageError, match="either a model folder or --architecture"):
        look_at(model, architecture, None, "10x10")


def test_a_report_is_printed_and_written(capsys):
    report = look_at("", "flamingo_debug", None, "60x40")
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["parameters"]["total"] == report.anatomy.total
    assert plain["num_slots"] == 1 and plain["original"] == [40, 60]
    print_report(report)
    printed = capsys.readouterr().out
    assert "60 x 40 pixels" in printed and f"{report.anatomy.total:,}" in printed
    assert "takes 1 positions" in printed or "takes 1 position" in printed


def test_a_saved_model_and_a_picture_are_looked_at(tmp_path):
    debug = subject("qwen2_vl_debug")
    folder, path = tmp_path / "model", tmp_path / "picture.png"
    save_model(folder, debug.architecture, debug.model, debug.processor.tokenizer)
    Image.fromarray(picture(0, 50, 80)).save(path)

    assert look_at(str(folder), "", path, "").walk.original == (50, 80)
    out = draw_patch_norms(str(folder), path, tmp_path / "norms.png")
    with Image.open(out) as drawn:
        assert drawn.width >= 80


def test_patch_norms_are_drawn_over_what_the_model_sees(tmp_path, monkeypatch):
    # This model pads a tall picture to a square, so its grid does not lie on the picture itself.
    debug = subject("llava_1_5_debug")
    folder, path = tmp_path / "model", tmp_path / "picture.png"
    save_model(folder, debug.architecture, debug.model, debug.processor.tokenizer)
    Image.fromarray(picture(0, 90, 30)).save(path)
    drawn = []

    def draw(background: Image.Image, values: np.ndarray) -> Image.Image:
        drawn.append((background.size, values.shape))
        return background

    monkeypatch.setattr(report_module, "overlay_heatmap", draw)
    draw_patch_norms(str(folder), path, tmp_path / "norms.png")
    assert drawn == [((32, 32), (4, 4))]


def test_patch_norms_of_tiles_are_drawn_over_all_tiles_of_the_grid():
    norms = torch.arange(5.0)[:, None, None].expand(5, 1, 2)
    grid = [[1, 1, 2, 2], [3, 3, 4, 4]]
    assert laid_out(norms, Tiles(2, 2, "first", 9, 9)).tolist() == grid
    grid = [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert laid_out(norms, Tiles(2, 2, "last", 9, 9)).tolist() == grid
    assert laid_out(norms[:1], Tiles(0, 0, "last", 9, 9)).tolist() == [[0, 0]]


def test_a_picture_in_tiles_is_drawn_and_told(tmp_path, capsys):
    debug = subject("llava_next_debug")
    folder, path = tmp_path / "model", tmp_path / "picture.png"
    save_model(folder, debug.architecture, debug.model, debug.processor.tokenizer)
    Image.fromarray(picture(0, 60, 90)).save(path)
    out = draw_patch_norms(str(folder), path, tmp_path / "norms.png")
    with Image.open(out) as drawn:
        assert drawn.width >= 64
    print_report(look_at(str(folder), "", path, ""))
    assert "seen at 64 x 64 in 5 tiles" in " ".join(capsys.readouterr().out.split())
