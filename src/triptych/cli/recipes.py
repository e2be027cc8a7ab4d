"""`triptych recipes`: what can be trained, and with which settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer


def recipes(
    action: Annotated[
        str, typer.Argument(help="list, show (every setting, as YAML) or check (without training).")
    ] = "list",
    name: Annotated[str, typer.Argument(help="Of a recipe, or a YAML file.")] = "",
    assignments: Annotated[
        list[str] | None, typer.Argument(help="Changes, like stages.align.train.epochs=2.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data, in which a check looks for its files.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the recipes, show one with every setting, or check one without training."""
    from triptych.errors import UsageError

    if action == "list" and not name:
        _list(as_json)
        return
    if action not in ("show", "check") or not name:
        wanted = (name if action in ("list", "show", "check") else action) or "NAME"
        raise UsageError(
            f"recipes are listed, shown or checked; write `triptych recipes show {wanted}`"
        )
    if action == "show":
        _show(name, assignments or [], as_json)
    else:
        _check(name, assignments or [], data, as_json)


def _list(as_json: bool) -> None:
    import json

    from triptych.recipes import find_recipe, recipe_names

    summaries = {name: find_recipe(name).summary for name in recipe_names()}
    if as_json:
        print(json.dumps(summaries, indent=2))
        return
    width = max(map(len, summaries))
    for name, summary in summaries.items():
        print(f"{name:{width}}  {summary}")


def _show(name: str, assignments: Sequence[str], as_json: bool) -> None:
    import json

    from triptych.config import override, to_dict
    from triptych.recipes import find_recipe
    from triptych.recipes.yaml_files import write_yaml

    plain = to_dict(override(find_recipe(name).default, assignments))
    print(json.dumps(plain, indent=2) if as_json else write_yaml(plain).rstrip())


def _check(name: str, assignments: Sequence[str], data: Path | None, as_json: bool) -> None:
    import json

    from triptych.config import override
    from triptych.recipes import StagedRecipe, find_recipe
    from triptych.recipes.checking import check_recipe

    settings = override(find_recipe(name).default, assignments)
    stages = check_recipe(settings, data) if isinstance(settings, StagedRecipe) else []
    if as_json:
        print(json.dumps({"recipe": name, "stages": stages}, indent=2))
        return
    print("\n".join([*stages, f"{name} can be run"]))
