"""`triptych read`: a document as JSON."""

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
    PromptOption,
    QuantizeOption,
    TimeoutOption,
    UrlOption,
    open_assistant,
    with_choosing,
)
from triptych.cli.tables import print_note


@with_choosing
def read(
    document: Annotated[Path, typer.Argument(help="A picture of the document.")],
    schema: Annotated[
        Path | None,
        typer.Option(
            help="JSON file: the wanted fields as keys, or a JSON Schema; others cannot come."
        ),
    ] = None,
    prompt: PromptOption = None,
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
    max_tokens: MaxTokensOption = 512,
    as_json: JsonOption = False,
) -> None:
    """Read a document into JSON; in the prompt, {keys} are the fields of the schema."""
    import json

    from triptych.errors import FailureError

    options = choosing.options(beams=beams, max_tokens=max_tokens)
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
    reading = assistant.read(document, schema, options, prompt=prompt)
    if as_json:
        print(json.dumps({"document": str(document), **reading.as_dict()}, ensure_ascii=False))
    elif reading.is_json:
        print(json.dumps(reading.value, indent=2, ensure_ascii=False))
    else:
        print(reading.text)
    if not as_json:
        print_note(reading.note)
    if not reading.is_json:
        raise FailureError(f"the answer is not valid JSON; {_cure(reading.ended, max_tokens)}")
    if reading.missing and not as_json:
        print_note(f"the answer lacks {', '.join(reading.missing)}")


def _cure(ended: bool, max_tokens: int) -> str:
    if ended:
        return "name its fields with --schema, or another model with --model"
    return f"it was cut off after {max_tokens} tokens, so raise --max-tokens"
