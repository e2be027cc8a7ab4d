"""Complete runs, by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.config import override
from triptych.errors import UnknownNameError
from triptych.recipes import flickr8k, shapes
from triptych.recipes.recipe import Recipe

RECIPES: Mapping[str, Recipe] = {
    "flickr8k": Recipe(
        summary="photographs: frozen MobileNetV2, MLP, small decoder, Flickr8k captions",
        default=flickr8k.Flickr8kRecipe(),
        run=flickr8k.run,
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
    """Run a recipe with `key=value` changes; returns its scores."""
    recipe = find_recipe(name)
    return recipe.run(override(recipe.default, assignments), data, folder, resume)


__all__ = ["RECIPES", "Recipe", "find_recipe", "run_recipe"]
