"""`triptych caption`: describe pictures."""

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
from triptych.cli.tables import print_note


def caption(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to describe.")],
    prompt: PromptOption = None,
    model: ModelOption = DEFAULT_MODEL,
    max_pixels: MaxPixelsOption = None,
    beams: BeamsOption = 3,
    temperature: TemperatureOption = 0.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
    max_tokens: MaxTokensOption = 64,
    as_json: JsonOption = False,
) -> None:
    """Describe pictures, by beam search, or by sampling when a temperature is given."""
    import json

    from triptych.tasks import load

    options = generation_options(
        beams=1 if temperature else beams,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        max_tokens=max_tokens,
    )
    answers = load(model, max_pixels=max_pixels).caption(pictures, options, prompt=prompt)
    for picture, answer in zip(pictures, answers, strict=True):
        if as_json:
            print(json.dumps({"picture": str(picture), **answer.as_dict()}))
        else:
            print(f"{picture}: {answer.text}" if len(pictures) > 1 else answer.text)
    if not as_json:
        print_note(next((answer.note for answer in answers if answer.note), ""))
