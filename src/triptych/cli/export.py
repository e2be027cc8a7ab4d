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
        Path | None, typer.Option(help="Folder of a PEFT LoRA adapter to merge into the weights.")
    ] = None,
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Write a model for other engines to load and serve."""
    import json

    from triptych.checkpoint.adapters import merge_adapter, read_adapter
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
    if out.resolve() in (source.resolve(), Path(model).resolve()):
        raise UsageError(f"--out {out} is the model itself; name another folder")
    check_replaceable(out)
    if adapter is not None and out.resolve() == adapter.resolve():
        raise UsageError(f"--out {out} is the adapter itself; name another folder")
    read = None if adapter is None else read_adapter(adapter)
    if read is None and is_scorer(source):
        export_scorer(out, import_scorer(source))
    else:
        loaded = open_model(source)
        export_model(out, loaded if read is None else merge_adapter(loaded, read), to)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if as_json:
        print(json.dumps({"folder": str(out), "file_bytes": sizes}))
        return
    print(f"{out}: {', '.join(sizes)}")
    print(f"how to load and serve it: {out / 'README.md'}")
