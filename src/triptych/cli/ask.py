"""`triptych ask`: a question about one or more pictures."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    GREEDY,
    KEY_VARIABLE,
    AnyModelOption,
    BeamsOption,
    Choosing,
    DtypeOption,
    EngineOption,
    JsonOption,
    KeyVariableOption,
    MaxPixelsOption,
    MaxTokensOption,
    OfflineOption,
    QuantizeOption,
    TimeoutOption,
    UrlOption,
    open_assistant,
    with_choosing,
)
from triptych.cli.structure import ChoiceOption, RegexOption, SchemaOption, read_structure
from triptych.cli.tables import print_note


@with_choosing
def ask(
    pictures_and_question: Annotated[
        list[str], typer.Argument(help="One or more pictures, then the question.")
    ],
    model: AnyModelOption = None,
    engine: EngineOption = "native",
    url: UrlOption = None,
    key_variable: KeyVariableOption = KEY_VARIABLE,
    timeout: TimeoutOption = 300.0,
    max_pixels: MaxPixelsOption = None,
    dtype: DtypeOption = "float32",
    quantize: QuantizeOption = "",
    offline: OfflineOption = False,
    beams: BeamsOption = 1,
    choosing: Choosing = GREEDY,
    max_tokens: MaxTokensOption = 64,
    schema: SchemaOption = None,
    regex: RegexOption = None,
    choice: ChoiceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question about pictures; the answer is streamed."""
    import json
    from dataclasses import replace

    from triptych.errors import UsageError

    *paths, question = pictures_and_question
    if not paths:
        raise UsageError("give at least one picture and then the question, in quotes")
    structure = read_structure(schema, regex, choice)
    options = replace(choosing.options(beams=beams, max_tokens=max_tokens), structure=structure)
    assistant = open_assistant(
        model,
        max_pixels,
        engine=engine,
        url=url,
        key_variable=key_variable,
        timeout_s=timeout,
        dtype=dtype,
        quantize=quantize,
        offline=offline,
    )
    pictures = [assistant.open(Path(path)) for path in paths]
    if as_json:
        print(json.dumps(assistant.ask(pictures, question, options).as_dict()))
        return
    for piece in assistant.stream(pictures, question, options):
        print(piece, end="", flush=True)
    print()
    print_note(assistant.note(pictures))
