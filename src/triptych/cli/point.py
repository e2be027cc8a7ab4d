"""`triptych point`: find things in a picture, as points."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    GREEDY,
    KEY_VARIABLE,
    AnyModelOption,
    BeamsOption,
    Choosing,
    CoordinatesOption,
    DtypeOption,
    EngineOption,
    JsonOption,
    KeyVariableOption,
    MaxPixelsOption,
    MaxTokensOption,
    OfflineOption,
    PromptOption,
    QuantizeOption,
    TimeoutOption,
    UrlOption,
    open_assistant,
    with_choosing,
)


@with_choosing
def point(
    picture: Annotated[Path, typer.Argument(help="The picture.")],
    phrase: Annotated[str, typer.Argument(help="What to find, in quotes.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to draw them on the picture [PICTURE.pointed.png, here]."),
    ] = None,
    prompt: PromptOption = None,
    model: AnyModelOption = None,
    engine: EngineOption = "native",
    url: UrlOption = None,
    key_variable: KeyVariableOption = KEY_VARIABLE,
    timeout: TimeoutOption = 300.0,
    coordinates: CoordinatesOption = None,
    max_pixels: MaxPixelsOption = None,
    dtype: DtypeOption = "float32",
    quantize: QuantizeOption = "",
    offline: OfflineOption = False,
    beams: BeamsOption = 1,
    choosing: Choosing = GREEDY,
    max_tokens: MaxTokensOption = 256,
    as_json: JsonOption = False,
) -> None:
    """Draw points on what a phrase means; in the prompt, {phrase} is the phrase."""
    from triptych.cli.places import search

    options = choosing.options(beams=beams, max_tokens=max_tokens)
    search(
        "point",
        picture,
        phrase,
        out,
        prompt,
        options,
        open_assistant=partial(
            open_assistant,
            model,
            max_pixels,
            engine=engine,
            url=url,
            key_variable=key_variable,
            timeout_s=timeout,
            dtype=dtype,
            quantize=quantize,
            offline=offline,
            coordinates=coordinates,
        ),
        as_json=as_json,
    )
