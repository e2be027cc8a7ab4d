"""`triptych xray`: look inside a model."""

from pathlib import Path
from typing import Annotated

import typer


def xray(
    model: Annotated[
        str, typer.Argument(help="Folder of a run or of a saved model; or use --architecture.")
    ] = "",
    architecture: Annotated[
        str, typer.Option(help="A named architecture, looked at without weights.")
    ] = "",
    picture: Annotated[
        Path | None, typer.Option(help="Follow this picture; a folder's model also sees it.")
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT of the picture to follow.")] = "1000x700",
    out: Annotated[Path, typer.Option(help="Where to write the picture of patch norms.")] = Path(
        "xray.png"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show parameters by panel, the shape at every step, and what a picture costs."""
    import json

    from triptych.xray.report import draw_patch_norms, look_at, print_report

    report = look_at(model, architecture, picture, size)
    drawn = draw_patch_norms(model, picture, out) if model and picture else None
    if as_json:
        print(json.dumps(report.as_dict() | ({"patch_norms": str(drawn)} if drawn else {})))
        return
    print_report(report)
    if drawn:
        print(f"patch norms: {drawn}")
