"""`triptych read`: a document as JSON."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    KEY_VARIABLE,
    AnyModelOption,
    BeamsOption,
    DtypeOption,
    EngineOption,
    JsonOption,
    KeyVariableOption,
    MaxPixelsOption,
    MaxTokensOption,
    OfflineOption,
    PromptOption,
    QuantizeOption,
    SeedOption,
    TemperatureOption,
    TimeoutOption,
    TopKOption,
    TopPOption,
    UrlOption,
    generation_options,
    open_assistant,
)
from triptych.cli.tables import print_note


def read(
    document: Annotated[Path, typer.Argument(help="A picture of the document.")],
    schema: Annotated[
        Path | None,
        typer.Option(help="JSON file: the wanted fields as keys, or a JSON Schema."),
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
    temperature: TemperatureOption = 0.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
    max_tokens: MaxTokensOption = 512,
    as_json: JsonOption = False,
) -> None:
    """Read a document into JSON; in the prompt, {keys} are the fields of the schema."""
    import json

    from triptych.errors import FailureError

    options = generation_options(
        beams=beams,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        max_tokens=max_tokens,
    )
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
