"""`triptych fits`: what a model will take, before it is loaded."""

from typing import Annotated

import typer

from triptych.cli.decoding import DtypeOption, OfflineOption, QuantizeOption


def fits(
    model: Annotated[
        str,
        typer.Argument(
            help="An architecture, an embedded model, a folder, or a name on the Hub (its settings "
            "alone are fetched)."
        ),
    ],
    picture: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT of every picture, in pixels.")
    ] = "1024x768",
    pictures: Annotated[int, typer.Option(help="Pictures shown together.", min=0)] = 1,
    tokens: Annotated[
        int, typer.Option(help="Tokens of question and answer together.", min=1)
    ] = 256,
    dtype: DtypeOption = "float32",
    quantize: QuantizeOption = "",
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Foresee the memory a model takes; exits with 0 when it fits this machine, with 1 if not."""
    import json

    from triptych.xray.forecast import foresee, print_forecast

    forecast = foresee(
        model,
        picture=picture,
        num_pictures=pictures,
        num_text_tokens=tokens,
        dtype=dtype,
        quantize=quantize,
        offline=offline,
    )
    if as_json:
        print(json.dumps(forecast.as_dict()))
    else:
        print_forecast(forecast)
    if not forecast.fits:
        raise typer.Exit(1)
