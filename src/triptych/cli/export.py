"""`triptych export`: a model in the layout of other engines."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import OfflineOption


def export(
    model: Annotated[
        str, typer.Argument(help="Folder of a run or of a saved model, or a name on the Hub.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; an older export in it is replaced.")],
    to: Annotated[
        str,
        typer.Option(help="Layout: hf, for transformers, vLLM, SGLang and (Qwen2-VL) llama.cpp."),
    ] = "hf",
    adapter: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a LoRA adapter, PEFT's or of a run, to merge into the weights."
        ),
    ] = None,
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Write a model for other engines to load and serve."""
    import json

    from triptych.checkpoint.adapter_folder import apply_adapter, base_of, is_adapter
    from triptych.checkpoint.adapters import read_adapter
    from triptych.checkpoint.layouts import (
        check_layout,
        check_replaceable,
        export_model,
        open_model,
    )
    from triptych.checkpoint.scorers import export_scorer, import_scorer, is_scorer
    from triptych.errors import UsageError
    from triptych.tasks import find_model

    check_layout(to)
    source = find_model(model, offline=offline)
    if adapter is None and is_adapter(source):
        source, adapter = find_model(base_of(source), offline=offline), source
    if out.resolve() in (source.resolve(), Path(model).resolve()):
        raise UsageError(f"--out {out} is the model itself; name another folder")
    check_replaceable(out)
    if adapter is not None and out.resolve() == adapter.resolve():
        raise UsageError(f"--out {out} is the adapter itself; name another folder")
    if adapter is not None:
        read_adapter(adapter)  # what is wrong with it is told before the model is read
    if adapter is None and is_scorer(source):
        export_scorer(out, import_scorer(source))
    else:
        loaded = open_model(source)
        export_model(out, loaded if adapter is None else apply_adapter(loaded, adapter), to)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if as_json:
        print(json.dumps({"folder": str(out), "file_bytes": sizes}))
        return
    print(f"{out}: {', '.join(sizes)}")
    print(f"how to load and serve it: {out / 'README.md'}")
