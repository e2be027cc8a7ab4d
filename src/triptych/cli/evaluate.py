"""`triptych evaluate`: how well a model does, with intervals and controls."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import (
    DtypeOption,
    JsonOption,
    ModelOption,
    OfflineOption,
    QuantizeOption,
)


def evaluate(
    model: ModelOption = "mini",
    rows: Annotated[
        list[str] | None, typer.Option("--row", help="An ability; may be repeated; none means all.")
    ] = None,
    items: Annotated[int, typer.Option(help="Questions of each ability.", min=1)] = 1000,
    batch_size: Annotated[int, typer.Option(help="Questions answered together.", min=1)] = 32,
    dtype: DtypeOption = "float32",
    quantize: QuantizeOption = "",
    offline: OfflineOption = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write the table to this JSON file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a model on drawn worlds: unseen pictures, held-out wordings, a blank control."""
    import json

    from triptych.evaluate.worlds import evaluate_model, find_rows, print_table
    from triptych.tasks import load

    assistant = load(model, dtype=dtype, quantize=quantize, offline=offline)
    table = evaluate_model(
        assistant.model, assistant.processor, find_rows(rows or []), items, batch_size=batch_size
    )
    if out is not None:
        from triptych.checkpoint.files import write_json

        write_json(out, table)
    if as_json:
        print(json.dumps(table, indent=2))
    else:
        print_table(table)
