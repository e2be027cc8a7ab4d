"""`triptych caption`: describe pictures."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    KEY_VARIABLE,
    AnyModelOption,
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
        typer.Option(help="Hypotheses of a beam search [3, or 1 where the engine has none]."),
    ] = None,
    temperature: TemperatureOption = 0.0,
    top_p: TopPOption = 1.0,
    top_k: TopKOption = 0,
    seed: SeedOption = 0,
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
    usual = 3 if assistant.engine.has_beam_search else 1
    options = generation_options(
        beams=1 if temperature else usual if beams is None else beams,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        seed=seed,
        max_tokens=max_tokens,
    )
    answers = assistant.caption(pictures, options, prompt=prompt)
    for picture, answer in zip(pictures, answers, strict=True):
        if as_json:
            print(json.dumps({"picture": str(picture), **answer.as_dict()}))
        else:
            print(f"{picture}: {answer.text}" if len(pictures) > 1 else answer.text)
    if not as_json:
        print_note(next((answer.note for answer in answers if answer.note), ""))
