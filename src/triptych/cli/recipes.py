"""`triptych recipes`: what can be trained."""

import typer


def recipes(
    name: str = typer.Argument("", help="Show this recipe, fully resolved; empty lists all."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the recipes, or show one with every setting."""
    import json

    from triptych.config import to_dict
    from triptych.recipes import RECIPES, find_recipe

    if name:
        print(json.dumps(to_dict(find_recipe(name).default), indent=2))
        return
    if as_json:
        print(json.dumps({key: recipe.summary for key, recipe in RECIPES.items()}, indent=2))
        return
    for key, recipe in RECIPES.items():
        print(f"{key:12} {recipe.summary}")
