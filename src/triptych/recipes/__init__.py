"""Complete runs: functions by name, stagings in YAML by name or file, and their debug twins."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.config import from_dict, override
from triptych.errors import CheckpointError, ConfigError, UnknownNameError
from triptych.recipes import flickr8k, mini, shapes, staged
from triptych.recipes.recipe import Recipe
from triptych.recipes.stages import StagedRecipe
from triptych.recipes.twins import SUFFIX, twin_of
from triptych.recipes.yaml_files import read_yaml_file
from triptych.train.checkpoints import has_checkpoint, refuse_to_replace
from triptych.train.locking import locked
from triptych.train.ranks import is_first_rank, num_ranks

RECIPES: Mapping[str, Recipe] = {
    "flickr8k": Recipe(
        summary="photographs: frozen MobileNetV2, MLP, small decoder, Flickr8k captions",
        default=flickr8k.Flickr8kRecipe(),
        run=flickr8k.run,
    ),
    "mini": Recipe(
        summary="drawn worlds: the embedded model, a small Qwen2-VL from scratch, needs no data",
        default=mini.MiniRecipe(),
        run=mini.run,
    ),
    "shapes": Recipe(
        summary="drawn shapes: a debug-sized model from scratch in a minute, needs no data",
        default=shapes.ShapesRecipe(),
        run=shapes.run,
    ),
}


STAGINGS = Path(__file__).parent / "stagings"
"""Folder of the published stagings that come with the package, one YAML file each."""


def recipe_names() -> list[str]:
    """Everything that can be trained by name, debug twins behind their originals."""
    stagings = sorted(path.stem for path in STAGINGS.glob("*.yaml"))
    return [*RECIPES, *(name + end for name in stagings for end in ("", SUFFIX))]


def find_recipe(name: str) -> Recipe:
    """The recipe of that name, or in that YAML file.

    Raises:
        UnknownNameError: there is none.
        ConfigError: the file cannot be read or describes no recipe.
    """
    if name in RECIPES:
        return RECIPES[name]
    if name.endswith((".yaml", ".yml")):
        return _staged(read_recipe(Path(name)))
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    own = STAGINGS / f"{name}.yaml"
    if own.is_file():
        return _staged(read_recipe(own))
    return _staged(twin_of(read_recipe(STAGINGS / f"{name.removesuffix(SUFFIX)}.yaml")))


def read_recipe(path: Path) -> StagedRecipe:
    """The recipe in a YAML file.

    Raises:
        ConfigError: it cannot be read or describes none; names the key, its value, and the nearest.
    """
    return from_dict(StagedRecipe, read_yaml_file(path), path.name)


def _staged(recipe: StagedRecipe) -> Recipe:
    return Recipe(summary=recipe.summary, default=recipe, run=staged.run)


def run_recipe(
    name: str,
    assignments: Sequence[str],
    *,
    data: Path | None,
    folder: Path,
    resume: bool,
) -> dict[str, object]:
    """Run a recipe, by its name or its YAML file, with `key=value` changes; returns its scores.

    Raises:
        UnknownNameError: there is no such recipe.
        ConfigError: a change names no setting or does not fit it; the recipe cannot be run in
            several processes.
        CheckpointError: there is nothing to resume from.
        UsageError: the folder holds a run, which is not to be resumed.
        TrainingError: another run is at work in the folder.
    """
    recipe = find_recipe(name)
    settings = override(recipe.default, assignments)
    stages = {path.parent.parent for path in folder.glob("**/checkpoints/step-*")}
    if resume and not any(map(has_checkpoint, stages)):
        raise CheckpointError(f"{folder} holds no checkpoint to go on from; start without --resume")
    if num_ranks() > 1 and not isinstance(recipe.default, StagedRecipe):
        raise ConfigError(
            f"the recipe {name} runs in one process, and WORLD_SIZE is {num_ranks()}; start it "
            "without torchrun, or take a recipe in stages"
        )
    if not is_first_rank():  # the first has the folder
        return recipe.run(settings, data, folder, resume)
    with locked(folder):
        if not resume:
            for stage in sorted(stages):
                refuse_to_replace(stage)
        return recipe.run(settings, data, folder, resume)


__all__ = [
    "RECIPES",
    "Recipe",
    "StagedRecipe",
    "find_recipe",
    "read_recipe",
    "recipe_names",
    "run_recipe",
]
