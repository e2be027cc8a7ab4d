"""`triptych build`: a new model from published parts."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.decoding import OfflineOption


def build(
    vision: Annotated[
        str,
        typer.Option(help="A ViT, CLIP, SigLIP, DINOv2 or InternViT: folder, or name on the Hub."),
    ],
    language: Annotated[
        str,
        typer.Option(help="A Llama, SmolLM, Mistral, Qwen2 or Gemma: folder, or name on the Hub."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; an older model in it is replaced.")],
    connector: Annotated[
        str,
        typer.Option(
            help="attention_pool, linear, merger, mlp, pixel_shuffle, qformer or resampler."
        ),
    ] = "mlp",
    seed: Annotated[int, typer.Option(help="Of the connector's fresh weights.")] = 0,
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was built as JSON.")] = False,
) -> None:
    """Join a vision encoder and a language model by a fresh connector, ready to be trained."""
    import json

    from triptych.checkpoint.building import build_from_parts
    from triptych.checkpoint.layouts import check_replaceable
    from triptych.checkpoint.model_folder import save_model
    from triptych.errors import UsageError

    if out.resolve() in (Path(vision).resolve(), Path(language).resolve()):
        raise UsageError(f"--out {out} is one of the parts; name another folder")
    check_replaceable(out)
    built = build_from_parts(
        vision, connector, language, name=out.resolve().name, seed=seed, offline=offline
    )
    save_model(out, built.architecture, built.model, built.processor.tokenizer)
    parameters = {
        panel: sum(each.numel() for each in getattr(built.model, panel).parameters())
        for panel in ("vision", "connector", "language")
    }
    if as_json:
        print(json.dumps({"folder": str(out), "parameters": parameters}))
        return
    counts = ", ".join(f"{panel} {count:,}" for panel, count in parameters.items())
    print(f"{out}: {counts} parameters; the connector is fresh, train it first")
