"""`triptych chat`: talk with a model about pictures, in the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from triptych.tasks import Conversation

_PROMPT = "> "
_COMMANDS = "/image PATH shows a picture with the next turn, /reset begins anew, /quit ends"


@with_choosing
def chat(
    pictures: Annotated[
        list[Path] | None, typer.Argument(help="Pictures to talk about; more by /image PATH.")
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
    max_tokens: MaxTokensOption = 256,
    schema: SchemaOption = None,
    regex: RegexOption = None,
    choice: ChoiceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Talk with a model, a line a turn; /image PATH, /reset, and /quit or Ctrl-D.

    Lines may also be piped in. With --json, every answer is an object on a line.
    """
    import sys
    from dataclasses import replace

    from triptych.errors import TriptychError

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
    opened = [assistant.open(path) for path in pictures or []]
    talk = assistant.chat(opened, options)
    waiting: list[object] = []
    for line in _lines():
        try:
            if line == "/reset":
                talk.reset()
                waiting.clear()
            elif line.startswith("/image "):
                path = Path(line.removeprefix("/image ").strip()).expanduser()
                waiting.append(assistant.open(path))
            elif line.startswith("/"):
                print(_COMMANDS, file=sys.stderr)
            else:
                _answer(talk, line, waiting, as_json)
                waiting.clear()
        except TriptychError as error:
            if not sys.stdin.isatty():
                raise
            print(error, file=sys.stderr)


def _lines() -> Iterator[str]:
    """What is said, line by line, until the end or /quit; nothing is asked of a pipe."""
    import sys

    while True:
        if sys.stdin.isatty():
            try:
                line = input(_PROMPT)
            except EOFError:
                print()
                return
        else:
            line = sys.stdin.readline()
            if not line:
                return
        if line.strip() == "/quit":
            return
        if line.strip():
            yield line.strip()


def _answer(talk: "Conversation", line: str, pictures: list[object], as_json: bool) -> None:
    import json

    noted = talk.note
    if as_json:
        talk.send(line, pictures)
        assert talk.last is not None
        print(json.dumps(talk.last.as_dict()), flush=True)
        return
    for piece in talk.stream(line, pictures):
        print(piece, end="", flush=True)
    print()
    if talk.note != noted:
        print_note(talk.note)
