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
    questions: Annotated[
        Path | None,
        typer.Option(
            help="A file with a question a line, - for standard input, instead of one question.",
            show_default=False,
            allow_dash=True,
        ),
    ] = None,
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

    if questions is None:
        *paths, question = pictures_and_question
        asked = [question]
    else:
        paths, asked = pictures_and_question, _read_questions(questions)
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
    if questions is not None:
        answers = assistant.ask_each(pictures, asked, options)
        for each, answer in zip(asked, answers, strict=True):
            told = {"question": each, **answer.as_dict()}
            print(json.dumps(told) if as_json else f"{each}\t{answer.text}")
        if as_json:
            return
    elif as_json:
        print(json.dumps(assistant.ask(pictures, asked[0], options).as_dict()))
        return
    else:
        for piece in assistant.stream(pictures, asked[0], options):
            print(piece, end="", flush=True)
        print()
    print_note(assistant.note(pictures))


def _read_questions(path: Path) -> list[str]:
    """The lines of a file that are not blank."""
    import sys

    from triptych.errors import UsageError

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(
            f"the questions in {path} cannot be read ({reason}); give a text file with a question "
            "a line"
        ) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"{path} holds no question; write one a line")
    return lines
