"""`triptych draw`: look at the drawn worlds."""

from pathlib import Path
from typing import Annotated

import typer


def draw(
    world: Annotated[str, typer.Argument(help="Which world, like scenes or screens.")],
    split: Annotated[str, typer.Option(help="train, dev, test or combinations.")] = "train",
    number: Annotated[int, typer.Option(help="The first sample.")] = 0,
    count: Annotated[int, typer.Option(help="How many samples.")] = 8,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and sheet.png.")] = Path(
        "drawn"
    ),
    twin: Annotated[
        bool, typer.Option("--twin", help="Also draw each sample with one fact changed.")
    ] = False,
    nuisance: Annotated[
        int, typer.Option(help="Also draw each sample's facts in this many other ways.")
    ] = 0,
    prior: Annotated[
        float, typer.Option(help="How often a planted association holds, from 0 to 1.")
    ] = 0.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, one object a sample.")
    ] = False,
) -> None:
    """Draw samples of a world and print their questions with the true answers."""
    import json

    from triptych.data.worlds.showing import sample_ids, show, summary

    ids = sample_ids(world, split, number, count, prior=prior, twin=twin, num_nuisance=nuisance)
    for shown in show(ids, out):
        print(json.dumps(shown.as_dict(), ensure_ascii=False) if as_json else summary(shown))
    if not as_json:
        print(f"sheet: {out / 'sheet.png'}")
