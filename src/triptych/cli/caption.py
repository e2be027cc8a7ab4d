"""`triptych caption`: describe pictures."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    GREEDY,
    KEY_VARIABLE,
    AnyModelOption,
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
def caption(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures to describe.")],
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
    beams: Annotated[
        int | None,
        typer.Option(help="Hypotheses of a beam search [3, or 1 where it cannot be]."),
    ] = None,
    choosing: Choosing = GREEDY,
    max_tokens: MaxTokensOption = 64,
    as_json: JsonOption = False,
) -> None:
    """Describe pictures, by beam search, or by sampling when a temperature is given."""
    import json

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
    usual = 3 if assistant.engine.has_beam_search and choosing.suits_beams else 1
    options = choosing.options(beams=usual if beams is None else beams, max_tokens=max_tokens)
    answers = assistant.caption(pictures, options, prompt=prompt)
    for picture, answer in zip(pictures, answers, strict=True):
        if as_json:
            print(json.dumps({"picture": str(picture), **answer.as_dict()}))
        else:
            print(f"{picture}: {answer.text}" if len(pictures) > 1 else answer.text)
    if not as_json:
        print_note(next((answer.note for answer in answers if answer.note), ""))
