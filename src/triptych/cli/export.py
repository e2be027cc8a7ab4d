"""`triptych export`: a model in the layout of other engines."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="Folder of a run or of a saved model.")],
    out: Annotated[Path, typer.Option(help="Folder to write; an older export in it is replaced.")],
    to: Annotated[
        str,
        typer.Option(help="Layout: hf, for transformers, vLLM, SGLang and (Qwen2-VL) llama.cpp."),
    ] = "hf",
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as JSON.")] = False,
) -> None:
    """Write a model for other engines to load and serve."""
    import json

    from triptych.checkpoint.layouts import check_layout, export_model, open_model
    from triptych.errors import UsageError
    from triptych.tasks import find_model

    check_layout(to)
    source = find_model(model)
    if out.resolve() in (source.resolve(), Path(model).resolve()):
        raise UsageError(f"--out {out} is the model itself; name another folder")
    export_model(out, open_model(source), to)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    if as_json:
        print(json.dumps({"folder": str(out), "file_bytes": sizes}))
        return
    print(f"{out}: {', '.join(sizes)}")
    print(f"how to load and serve it: {out / 'README.md'}")
