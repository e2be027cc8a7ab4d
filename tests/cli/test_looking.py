"""`recipes` and `xray`: what there is, and what is inside."""

import json
from pathlib import Path

from PIL import Image
from tests.cli.command import Command

from triptych.architectures import find_architecture


def test_recipes_are_listed_with_a_line_each(triptych: Command) -> None:
    done = triptych("recipes")
    assert [line.split()[0] for line in done.out.splitlines()] == ["flickr8k", "mini", "shapes"]
    assert set(json.loads(triptych("recipes", "--json").out)) == {"flickr8k", "mini", "shapes"}


def test_a_recipe_is_shown_with_every_setting(triptych: Command) -> None:
    shown = json.loads(triptych("recipes", "shapes").out)
    assert shown["train"]["epochs"] >= 1
    assert shown["train"]["learning_rates"]["vision"] > 0


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
