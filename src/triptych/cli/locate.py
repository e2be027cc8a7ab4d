"""`triptych locate`: find things in a picture, as boxes."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    DEFAULT_MODEL,
    BeamsOption,
    JsonOption,
    MaxPixelsOption,
    MaxTokensOption,
    ModelOption,
    PromptOption,
    SeedOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    generation_options,
)


def locate(
    picture: Annotated[Path, typer.Argument(help="The picture.")],
    phrase: Annotated[str, typer.Argument(help="What to find, in quotes.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to draw them on the picture [PICTURE.located.png, here]."),
    ] = None,
    prompt: PromptOption = None,
    model: ModelOption = DEFAULT_MODEL,
    max_pixels: MaxPixelsOption = None,
    beams: BeamsOption = 1,
    temperature: TemperatureOption = 0.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
    max_tokens: MaxTokensOption = 256,
    as_json: JsonOption = False,
) -> None:
    """Draw boxes around what a phrase means; in the prompt, {phrase} is the phrase."""
    from triptych.cli.places import search

    options = generation_options(
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        max_tokens=max_tokens,
    )
    search(
        "box",
        picture,
        phrase,
        out,
        prompt,
        options,
        model=model,
        max_pixels=max_pixels,
        as_json=as_json,
    )
