"""`triptych check`: what would spoil a run, found before it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import OfflineOption


def check(
    what: Annotated[str, typer.Argument(help="A recipe, a YAML file, or a JSONL file of data.")],
    assignments: Annotated[
        list[str] | None,
        typer.Argument(help="Changes of a recipe, like stages.align.train.epochs=2."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder that paths of a recipe's sources are relative to.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Whose tokens a JSONL file becomes: an embedded model (mini) or a folder."
        ),
    ] = None,
    headers: Annotated[
        bool, typer.Option("--headers", help="Read headers of pictures, open none: much faster.")
    ] = False,
    limit: Annotated[
        int, typer.Option(help="Samples of each source, spread over it; 0 for all.", min=0)
    ] = 0,
    times: Annotated[
        bool, typer.Option("--time", help="Time a few steps with fresh weights, for the hours.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option(help="Folder of a finished run to compare the forecast with.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Draw the histograms into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all findings.")] = False,
    offline: OfflineOption = False,
) -> None:
    """Look through training data without weights; exits with 1 when it would spoil the run."""
    from triptych.media import check_ending
    from triptych.preflight.report import print_stages, to_json
    from triptych.preflight.showing import draw_histograms
    from triptych.recipes.looking import look_at_file, look_at_recipe

    if out is not None:
        check_ending(out)
    if what.endswith((".jsonl", ".json")):
        _refuse(
            "goes with a recipe, not with a file of data",
            {
                "--data": data is not None,
                "--time": times,
                "--against": against is not None,
                "a change": bool(assignments),
            },
        )
        whose = model or "mini"
        stages = [
            look_at_file(Path(what), whose, opens=not headers, num_samples=limit, offline=offline)
        ]
    else:
        _refuse("goes with a file of data; a recipe names its own", {"--model": model is not None})
        stages = look_at_recipe(
            what, assignments or [], data, opens=not headers, num_samples=limit, times=times
        )
    if as_json:
        print(to_json(stages, against))
    else:
        print_stages(stages, against)
    for number, stage in enumerate(stages if out else ()):
        assert out is not None
        place = out if not number else out.with_stem(f"{out.stem}_{stage.name}")
        draw_histograms(stage.looked, place)
    if any(stage.looked.spoils for stage in stages):
        raise typer.Exit(1)


def _refuse(why: str, given: Mapping[str, bool]) -> None:
    """What is given here would be passed over without a word."""
    from triptych.errors import UsageError

    for name, is_given in given.items():
        if is_given:
            raise UsageError(f"{name} {why}; leave it out")
