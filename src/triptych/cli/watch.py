"""`triptych watch`: a question about a clip."""

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
from triptych.cli.tables import print_note


@with_choosing
def watch(
    clip: Annotated[Path, typer.Argument(help="A video, animated GIF or folder of pictures.")],
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    fps: Annotated[float | None, typer.Option(help="Frames taken a second [the model's].")] = None,
    max_frames: Annotated[
        int | None, typer.Option(help="Frames taken at most [the model's].")
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
    as_json: JsonOption = False,
) -> None:
    """Ask a question about a clip."""
    import json

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
    answer = assistant.watch(clip, question, options, fps=fps, max_frames=max_frames)
    if as_json:
        print(json.dumps({"clip": str(clip), **answer.as_dict()}))
        return
    print(answer.text)
    print_note(answer.note)
