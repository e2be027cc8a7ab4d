"""Recipes in YAML: what is wrong in one is said in a sentence that names key, value and cure."""

from pathlib import Path

import pytest

from triptych.config import override
from triptych.errors import ConfigError, DataError, UnknownNameError
from triptych.recipes import read_recipe, run_recipe
from triptych.recipes.checking import check_recipe
from triptych.recipes.stages import StagedRecipe
from triptych.recipes.yaml_files import read_yaml

RECIPE = """\
summary: a try
model: {type: FreshModel, architecture: llava_debug}
stages:
  - name: align
    train:
      learning_rates: {connector: 1e-3}
      epochs: 1
      batch_size: 2
    data:
      shares:
        - source: {type: DrawnShapes, num_samples: 4}
"""


def read(folder: Path, text: str) -> StagedRecipe:
    path = folder / "try.yaml"
    path.write_text(text)
    return read_recipe(path)


def test_numbers_are_numbers_and_texts_are_texts() -> None:
    text = "[1e-3, 1E5, -2.5e+1, .5, 3, no, on, 2024-01-01, 1.5.0, true, e5, null]"
    assert read_yaml(f"it: {text}", "it")["it"] == [
        *(0.001, 100000.0, -25.0, 0.5, 3, "no", "on", "2024-01-01", "1.5.0", True, "e5", None)
    ]


def test_keys_that_a_merge_brings_along_may_be_said_anew() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo: {<<: *one, b: 3}"
    assert read_yaml(text, "it")["two"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "epochs: 1",
            "epoch: 1",
            r"try.yaml.stages\[0\].train has no key 'epoch'; did you mean ep",
        ),
        ("epochs: 1", "epochs: few", r"try.yaml.stages\[0\].train.epochs must be int, got 'few'"),
        ("epochs: 1", "epochs: 0", "epochs must be at least 1, got 0"),
        ("batch_size: 2", "schedule: cosinus", r"schedule is 'cosinus'; known: cosine|needs"),
        ("DrawnShapes", "DrawnShape", r"source cannot be a 'DrawnShape'; did you mean DrawnShapes"),
        ("FreshModel", "NewModel", r"try.yaml.model cannot be a 'NewModel'"),
        (
            "epochs: 1",
            "epochs: 1\n      epochs: 2",
            r"line 8: the key 'epochs' stands here for the",
        ),
        ("{connector: 1e-3}", "{connector: 1e-3", r"try.yaml line \d+: .*mend the YAML"),
        (RECIPE, "- one\n- two\n", r"try.yaml must be a group of keys, got \['one', 'two'\]"),
        ("name: align", "name: ../align", "a stage is called '../align', but its name is a folder"),
        ("    train:", "    num_validated: 0\n    train:", "num_validated must be at least 1"),
        (
            "    train:",
            "    fresh: [vision]\n    train:",
            "begins vision anew and does not train it",
        ),
        ("epochs: 1", "objectives: {seeing: 1}\n      epochs: 1", "set describes: true in a Drawn"),
        (
            "epochs: 1",
            "objectives: {preferring: 1}\n      epochs: 1",
            "no source gives pairs of an",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in RECIPE
    with pytest.raises(ConfigError, match=sentence):
        read(tmp_path, RECIPE.replace(old, new))


def test_two_stages_of_one_name_and_no_stage_at_all_are_refused(tmp_path: Path) -> None:
    head, stages = RECIPE.split("stages:\n")
    with pytest.raises(ConfigError, match="two stages are called 'align'"):
        read(tmp_path, f"{head}stages:\n{stages}{stages}")
    with pytest.raises(ConfigError, match="a recipe needs at least one stage"):
        read(tmp_path, f"{head}stages: []\n")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml cannot be read: No such file"):
        run_recipe(
            str(tmp_path / "none.yaml"), [], data=None, folder=tmp_path / "run", resume=False
        )


def test_changes_reach_into_lists_by_number_and_by_name(tmp_path: Path) -> None:
    recipe = read(tmp_path, RECIPE)
    changed = override(
        recipe, ["stages.align.train.epochs=3", "stages.0.data.shares.0.source.num_samples=9"]
    )
    assert changed.stages[0].train.epochs == 3
    assert changed.stages[0].data.shares[0].source.num_samples == 9
    everywhere = override(recipe, ["stages.*.train.epochs=5"])
    assert [stage.train.epochs for stage in everywhere.stages] == [5] * len(recipe.stages)
    for wrong, sentence in (
        ("train.*.epochs=3", r"StagedRecipe has no group 'train'"),
        ("stages.*.train.epoch=3", r"stages.0.train has no key 'epoch'; did you mean epochs"),
        ("stages.tune.train.epochs=3", r"stages has no group 'tune'; known: 0, align"),
        ("stages.align.train.epoch=3", "train has no key 'epoch'; did you mean epochs"),
        ("stages.align=3", r"StagedRecipe.stages has no key 'align'"),
        ("summary.more=3", "has no group 'summary'"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            override(recipe, [wrong])


def test_what_a_check_finds_before_anything_is_read(tmp_path: Path) -> None:
    def check(old: str, new: str, data: Path | None = None) -> list[str]:
        return check_recipe(read(tmp_path, RECIPE.replace(old, new)), data)

    assert check("", "") == [
        "align: connector 0.001; answering x 1; 1 epochs of 2 samples from DrawnShapes"
    ]
    with pytest.raises(UnknownNameError, match="no architecture named 'llava_debog'; did you mean"):
        check("llava_debug", "llava_debog")
    with pytest.raises(UnknownNameError, match="no architecture named 'lava'"):
        check("summary", "twin: lava\nsummary")
    with pytest.raises(ConfigError, match="trains no panel; give one a rate above 0"):
        check("connector: 1e-3", "connector: 0")
    with pytest.raises(ConfigError, match="trains fusion, which has no weights in this arch"):
        check("connector: 1e-3", "fusion: 1e-3")
    joined = "{type: JoinedModel, vision: a/b, language: c/d, connector: mlb}"
    with pytest.raises(UnknownNameError, match="no connector named 'mlb'; did you mean mlp"):
        check("{type: FreshModel, architecture: llava_debug}", joined)
    source = "{type: LlavaSource, path: talks.json, images: photos}"
    (tmp_path / "talks.json").touch()
    assert check("{type: DrawnShapes, num_samples: 4}", source)
    with pytest.raises(DataError, match=r"LlavaSource reads .*photos, which is not there"):
        check("{type: DrawnShapes, num_samples: 4}", source, tmp_path)


def test_a_large_fresh_model_is_asked_for_its_tokenizer(tmp_path: Path) -> None:
    recipe = read(tmp_path, RECIPE.replace("llava_debug", "mini"))
    assert recipe.stages
    with pytest.raises(ConfigError, match="mini has no tokenizer; name a model that has its"):
        run_recipe(str(tmp_path / "try.yaml"), [], data=None, folder=tmp_path / "r", resume=False)
