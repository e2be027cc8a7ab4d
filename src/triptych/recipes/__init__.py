"""Complete runs, by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.config import override
from triptych.errors import CheckpointError, UnknownNameError
from triptych.recipes import flickr8k, mini, shapes
from triptych.recipes.recipe import Recipe
from triptych.train.checkpoints import has_checkpoint, refuse_to_replace
from triptych.train.locking import locked

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


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]


def run_recipe(
    name: str,
    assignments: Sequence[str],
    *,
    data: Path | None,
    folder: Path,
    resume: bool,
) -> dict[str, object]:
    """Run a recipe with `key=value` changes; returns its scores.

    Raises:
        UnknownNameError: there is no such recipe.
        ConfigError: a change names no setting or does not fit it.
        CheckpointError: there is nothing to resume from.
        UsageError: the folder holds a run, which is not to be resumed.
        TrainingError: another run is at work in the folder.
    """
    recipe = find_recipe(name)
    settings = override(recipe.default, assignments)
    stages = {path.parent.parent for path in folder.glob("**/checkpoints/step-*")}
    if resume and not any(map(has_checkpoint, stages)):
        raise CheckpointError(f"{folder} holds no checkpoint to go on from; start without --resume")
    with locked(folder):
        if not resume:
            for stage in sorted(stages):
                refuse_to_replace(stage)
        return recipe.run(settings, data, folder, resume)


__all__ = ["RECIPES", "Recipe", "find_recipe", "run_recipe"]
