"""`triptych train`: run a recipe."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe (`triptych recipes` lists them) or YAML file.")
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Argument(help="Changes to the recipe, like train.epochs=2."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the recipe's data.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run [runs/RECIPE].")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Train a model by a recipe, with before/after pictures, a loss plot and scores."""
    import json

    from triptych.recipes import run_recipe

    folder = out or Path("runs") / Path(recipe).stem
    from triptych.train.ranks import is_first_rank

    result = run_recipe(recipe, assignments or [], data=data, folder=folder, resume=resume)
    if not is_first_rank():
        return
    if as_json:
        print(json.dumps(result, indent=2))
        return
    from triptych.cli.tables import print_scores

    print_scores(result)
