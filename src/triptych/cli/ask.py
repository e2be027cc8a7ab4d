"""`triptych ask`: a question about one or more pictures."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    BeamsOption,
    JsonOption,
    MaxTokensOption,
    ModelOption,
    SeedOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    generation_options,
)


def ask(
    pictures_and_question: Annotated[
        list[str], typer.Argument(help="One or more pictures, then the question.")
    ],
    model: ModelOption,
    beams: BeamsOption = 1,
    temperature: TemperatureOption = 0.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
    max_tokens: MaxTokensOption = 64,
    as_json: JsonOption = False,
) -> None:
    """Ask a question about pictures; the answer is streamed."""
    import json
    import sys

    from triptych.errors import UsageError
    from triptych.tasks import load

    *pictures, question = pictures_and_question
    if not pictures:
        raise UsageError("give at least one picture and then the question, in quotes")
    options = generation_options(
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        max_tokens=max_tokens,
    )
    assistant = load(model)
    paths = [Path(picture) for picture in pictures]
    if as_json:
        print(json.dumps(assistant.ask(paths, question, options).as_dict()))
        return
    for piece in assistant.stream(paths, question, options):
        sys.stdout.write(piece)
        sys.stdout.flush()
    print()
