"""`recipes` and `xray`: what there is, and what is inside."""

import json
from pathlib import Path

from PIL import Image
from tests.cli.command import Command

from triptych.architectures import find_architecture


def test_recipes_are_listed_with_a_line_each(triptych: Command) -> None:
    done = triptych("recipes")
    names = [line.split()[0] for line in done.out.splitlines()]
    assert names[:3] == ["flickr8k", "mini", "shapes"]
    assert {"llava_1_5", "llava_1_5_debug", "qwen2_vl", "qwen2_vl_debug"} <= set(names)
    assert list(json.loads(triptych("recipes", "--json").out)) == names


def test_a_recipe_is_shown_with_every_setting(triptych: Command) -> None:
    shown = json.loads(triptych("recipes", "show", "shapes", "--json").out)
    assert shown["train"]["epochs"] >= 1
    assert shown["train"]["learning_rates"]["vision"] > 0
    assert "    vision: 0.002\n" in triptych("recipes", "show", "shapes").out


def test_a_recipe_without_a_word_of_what_to_do_with_it_is_told_how_to_show_it(
    triptych: Command,
) -> None:
    for words in (("shapes",), ("list", "shapes"), ("show",)):
        done = triptych("recipes", *words)
        assert done.code == 2
        expected = "NAME" if words == ("show",) else "shapes"
        assert f"write `triptych recipes show {expected}`" in done.sentence


def test_what_is_shown_of_a_staging_is_a_recipe(triptych: Command, tmp_path: Path) -> None:
    change = "stages.align.train.epochs=3"
    shown = triptych("recipes", "show", "llava_1_5", change).out
    (tmp_path / "mine.yaml").write_text(shown)
    assert triptych("recipes", "show", tmp_path / "mine.yaml").out == shown
    done = triptych("recipes", "check", tmp_path / "mine.yaml")
    assert "align: connector 0.001; answering x 1; 3 epochs of 256 samples" in done.out
    assert done.out.endswith("mine.yaml can be run\n")


def test_a_file_of_the_data_that_is_missing_is_found_by_a_check(
    triptych: Command, tmp_path: Path
) -> None:
    done = triptych("recipes", "check", "llava_1_5", "--data", tmp_path)
    assert done.code == 1
    assert "blip_laion_cc_sbu_558k.json, which is not there" in done.sentence


def test_a_recipe_in_a_file_is_trained_with_changes(triptych: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(triptych("recipes", "show", "minivlm_debug").out)
    changes = ("stages.*.train.max_steps=2", "stages.*.data.shares.0.source.num_samples=40")
    out = tmp_path / "run"
    done = triptych("train", tmp_path / "mine.yaml", *changes, "--out", out, "--json")
    stages = json.loads(done.out)["stages"]
    assert [stage["steps"] for stage in stages.values()] == [2, 2]
    assert "triptych: stage caption trains connector, language on 40 samples" in done.err
    assert "DrawnShapes: 40 of 40 samples" in done.err
    assert json.loads((out / "caption" / "left_out.json").read_text()) == []


def test_an_xray_counts_every_parameter_once(triptych: Command) -> None:
    done = triptych("xray", "--architecture", "qwen2_vl_debug", "--json")
    seen = json.loads(done.out)
    model = find_architecture("qwen2_vl_debug").build(seed=0)
    counts = seen["parameters"]
    assert counts["total"] == sum(each.numel() for each in model.parameters())
    assert counts["total"] == sum(count for name, count in counts.items() if name != "total")
    assert seen["num_visual_tokens"] == 35  # 112 x 80 pixels, patches of 8, merged 2 x 2


def test_an_xray_for_people_has_the_same_numbers(triptych: Command) -> None:
    shown = triptych("xray", "--architecture", "qwen2_vl_debug").out
    seen = json.loads(triptych("xray", "--architecture", "qwen2_vl_debug", "--json").out)
    for count in seen["parameters"].values():
        assert f"{count:,}" in shown


def test_an_xray_of_a_run_follows_a_picture(
    triptych: Command, model: Path, photo: Path, tmp_path: Path
) -> None:
    drawn = tmp_path / "norms.png"
    done = triptych("xray", model, "--picture", photo, "--out", drawn, "--json")
    assert json.loads(done.out)["patch_norms"] == str(drawn)
    with Image.open(drawn) as opened:
        assert opened.width >= 60
