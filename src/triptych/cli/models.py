"""`triptych models`: what there is to run."""

from pathlib import Path
from typing import Annotated

import typer


def models(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of models, looked into besides.")
    ] = None,
    debug: Annotated[bool, typer.Option("--twins", help="List the debug twins, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models: embedded, in folders, in the Hub's local cache, and native architectures.

    Parameters by panel, tokens of a picture of 1024 x 768 pixels, memory of the weights.
    """
    import json

    from triptych.errors import UsageError
    from triptych.xray.catalogue import families, list_models, print_models

    for folder in folders or []:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; give one that models lie in")
    entries = list(list_models(folders or [], debug=debug))
    if as_json:
        told = {"models": [entry.as_dict() for entry in entries], "families": families()}
        print(json.dumps(told, indent=2))
    else:
        print_models(entries)
