"""A stage that compares: a matcher learns from pairs, is kept, and the model gets its Q-Former."""

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from triptych import load_scorer
from triptych.checkpoint.files import read_tensors
from triptych.config import to_dict
from triptych.data.worlds.plain_scenes import KINDS, draw_plain_scene, plain_caption
from triptych.errors import ConfigError, DataError, UnknownNameError
from triptych.recipes import STAGINGS, StagedRecipe, read_recipe, run_recipe
from triptych.recipes.beginning import begin
from triptych.recipes.checking import check_recipe
from triptych.recipes.comparing import begin_matcher, hand_over
from triptych.recipes.looking import look_at_recipe
from triptych.recipes.stages import FreshMatcher, FreshModel
from triptych.recipes.twins import Lessons, twin_of
from triptych.recipes.yaml_files import write_yaml
from triptych.shapes import VisionFeatures
from triptych.train.checkpoints import find_checkpoints

pytestmark = pytest.mark.usefixtures("one_thread")

DEBUG = FreshMatcher(architecture="blip2_itm_debug")
LESSONS = Lessons(num_growing=2, num_steps=10, num_compared=8, num_comparing=60)


@cache
def recipe() -> StagedRecipe:
    """BLIP-2's twin, which hardly grows before it compares."""
    return twin_of(read_recipe(STAGINGS / "blip2.yaml"), LESSONS)


def write(made: StagedRecipe, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.yaml").write_text(write_yaml(to_dict(made)))
    return str(folder / "own.yaml")


@pytest.fixture(scope="module")
def whole(
    one_thread: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, dict[str, float]]]:
    """A run that nothing stopped, and what it told."""
    folder = tmp_path_factory.mktemp("whole")
    short = ["stages.generate.train.max_steps=4"]
    result = run_recipe(write(recipe(), folder), short, data=None, folder=folder, resume=False)
    stages = result["stages"]
    assert isinstance(stages, dict)
    return folder, stages


def test_all_objectives_fall_on_held_out_pairs(whole) -> None:
    told = whole[1]["represent"]
    assert told["learned"] == ["contrasting", "matching", "captioning"]
    # After 60 steps: 2.08 to 1.37, 0.70 to 0.63, 5.7 to 1.7.
    for name, share in (("contrasting", 0.9), ("matching", 0.97), ("captioning", 0.5)):
        assert told[f"val_{name}"] < share * told[f"val_{name} before"], name
    parts = sum(told[f"val_{name}"] for name in told["learned"])
    assert told["val_loss"] == pytest.approx(parts)


def test_the_vision_panel_keeps_every_bit(whole) -> None:
    grown, matcher = (weights(whole[0] / stage) for stage in ("grow", "represent"))
    names = [name for name in grown if name.startswith("vision.")]
    assert names and all(torch.equal(grown[name], matcher[name]) for name in names)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    step = find_checkpoints(folder)[-1]
    return read_tensors(folder / "checkpoints" / f"step-{step:08d}" / "model.safetensors")


def test_the_matcher_is_kept_as_it_is_published_and_scores(whole) -> None:
    scorer = load_scorer(whole[0] / "represent" / "matcher")
    drawn = [draw_plain_scene(number) for number in range(64)]
    texts = [f"a {colour} {shape}" for colour, shape in KINDS]
    found = scorer.score([each.drawing.pictures[0] for each in drawn], texts)
    best = [texts[row.index(max(row))] for row in found.similarities]
    right = sum(said == plain_caption(each) for said, each in zip(best, drawn, strict=True))
    assert right > 2 * len(drawn) / len(texts)  # chance is one of 14


def test_a_connector_reads_pictures_as_the_matcher_did_and_speaks_anew() -> None:
    loaded = begin(FreshModel(architecture="blip2_debug"), "it")
    matcher = begin_matcher(DEBUG, loaded, seed=3).model
    with torch.no_grad():
        for parameter in matcher.connector.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    before = loaded.model.connector.language_projection.weight.clone()
    hand_over(matcher, loaded, seed=3)
    dim = loaded.architecture.model.vision.dim
    seen = VisionFeatures(torch.randn(2, 4, 4, dim), torch.randn(2, 1, dim))
    ours, theirs = (each.connector.encode_image(seen) for each in (loaded.model, matcher))
    assert torch.equal(ours, theirs)
    assert not torch.equal(loaded.model.connector.language_projection.weight, before)
    assert matcher.vision is loaded.model.vision


def test_a_run_that_is_gone_on_with_hands_over_what_its_matcher_had_learned(
    whole, tmp_path: Path
) -> None:
    shutil.copytree(whole[0], tmp_path / "run")
    for name in ("generate", "model"):
        shutil.rmtree(tmp_path / "run" / name)
    run_recipe(
        write(recipe(), tmp_path),
        ["stages.generate.train.max_steps=4"],
        data=None,
        folder=tmp_path / "run",
        resume=True,
    )
    ours, theirs = (
        read_tensors(each / "model" / "model.safetensors") for each in (tmp_path / "run", whole[0])
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    grow, represent, generate = recipe().stages
    with pytest.raises(ConfigError, match="stage generate trains a matcher and Objectives; a mat"):
        replace(generate, matcher=DEBUG)
    with pytest.raises(ConfigError, match="stage represent has no matcher and PairObjectives"):
        replace(represent, matcher=None)
    with pytest.raises(ConfigError, match="trains a matcher, which has no language panel"):
        rates = replace(represent.train.learning_rates, language=1.0)
        replace(represent, train=replace(represent.train, learning_rates=rates))
    with pytest.raises(ConfigError, match=r"Q-Former is fresh anyway; leave out fresh=\['conn"):
        replace(represent, fresh=("connector",))
    for name, error, sentence in (
        ("clip_debug", ConfigError, "clip_debug has no Q-Former that could become a connector"),
        ("blip2_itm", ConfigError, "blip2_itm reads another vision panel than that of blip2_debug"),
        ("blip2_itn", UnknownNameError, "no matcher named 'blip2_itn'; did you mean blip2_itm"),
    ):
        other = replace(represent, matcher=FreshMatcher(architecture=name))
        with pytest.raises(error, match=sentence):
            check_recipe(replace(recipe(), stages=(grow, other)))
    untwinned = replace(read_recipe(STAGINGS / "blip2.yaml"), stages=(replace(represent),))
    with pytest.raises(ConfigError, match="the matcher of stage represent has no debug twin"):
        twin_of(untwinned)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            "stages.represent.data.num_samples=17",
            "17 pairs in batches of 8 leave one alone, which nothing is told from",
        ),
        (
            'stages.represent.data.shares=[{"source": {"type": "DrawnWorld", "world": "scenes", '
            '"num_samples": 8}}]',
            "the world scenes gives questions, and a matcher learns from captions",
        ),
    ],
)
def test_pairs_that_cannot_be_compared_are_refused_before_they_are(
    tmp_path: Path, change: str, sentence: str
) -> None:
    changes = ["stages.grow.train.max_steps=1", "stages.represent.train.max_steps=9", change]
    with pytest.raises((ConfigError, DataError), match=sentence):
        run_recipe(
            write(recipe(), tmp_path), changes, data=None, folder=tmp_path / "run", resume=False
        )


def test_a_check_looks_at_pairs_and_names_texts_that_are_said_of_many(tmp_path: Path) -> None:
    stages = look_at_recipe(write(recipe(), tmp_path), [], None, opens=False, num_samples=64)
    assert [stage.name for stage in stages] == ["grow", "represent", "generate"]
    looked = stages[1].looked
    assert looked.num_looked == 64 and not looked.spoils
    [finding] = looked.findings
    assert finding.what.startswith("50 of 64 pairs say what another says")
