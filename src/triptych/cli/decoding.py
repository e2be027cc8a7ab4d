"""Options that the generating verbs share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triptych.generate import GenerationOptions
    from triptych.tasks import Assistant

DEFAULT_MODEL = "mini"
"""As `triptych.tasks.DEFAULT_MODEL`, which is too heavy to import where verbs are listed."""

KEY_VARIABLE = "TRIPTYCH_API_KEY"
"""As `triptych.tasks.loading.KEY_VARIABLE`."""

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", help="An embedded model, the folder of a run or a model, or a name on the Hub."
    ),
]
AnyModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="An embedded model, the folder of a run or a model, a name on the Hub "
        "(owner/name@revision), or what --engine calls it "
        f"[default: {DEFAULT_MODEL}].",
    ),
]
EngineOption = Annotated[
    str,
    typer.Option("--engine", help="What runs the model: native, transformers or openai (--url)."),
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", help="Server of --engine openai, like http://localhost:8000."),
]
KeyVariableOption = Annotated[
    str,
    typer.Option("--key-variable", help="Environment variable with the server's key, if any."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", help="Longest silence of the server, in seconds.")
]
CoordinatesOption = Annotated[
    str | None,
    typer.Option(
        "--coordinates",
        help="How the model writes places: thousandths, pixels, fractions, square-fractions, "
        "vertical-first or locations [by its name].",
    ),
]
DtypeOption = Annotated[
    str, typer.Option("--dtype", help="Compute in float32, bfloat16 or float16.")
]
QuantizeOption = Annotated[
    str,
    typer.Option(
        "--quantize",
        help="Keep weights in int8 or int4 by panel, like language=int8,vision=int8; int8 means "
        "all panels.",
        show_default=False,
    ),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Read only the local cache of the Hub.")
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option("--max-pixels", help="Reduce larger pictures to this area [the model's own]."),
]
PromptOption = Annotated[
    str | None, typer.Option("--prompt", help="What to ask instead of the usual.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object an answer.")]
BeamsOption = Annotated[int, typer.Option("--beams", help="Hypotheses of a beam search.")]
TemperatureOption = Annotated[
    float, typer.Option(help="0 takes the likeliest words; higher values vary.")
]
TopPOption = Annotated[float, typer.Option(help="Sample among words reaching this probability.")]
TopKOption = Annotated[int, typer.Option(help="Sample among this many words; 0 means all.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the sampling.")]
MaxTokensOption = Annotated[int, typer.Option("--max-tokens", help="Longest answer in tokens.")]


def generation_options(
    *,
    beams: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
    max_tokens: int = 64,
) -> "GenerationOptions":
    """The generation options that the command line gave."""
    from triptych.generate import GenerationOptions

    return GenerationOptions(
        max_new_tokens=max_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        num_beams=beams,
        seed=seed,
    )


def open_assistant(
    model: str | None,
    max_pixels: int | None,
    *,
    engine: str,
    url: str | None,
    key_variable: str,
    timeout_s: float,
    coordinates: str | None = None,
    dtype: str = "float32",
    quantize: str = "",
    offline: bool = False,
) -> "Assistant":
    """The assistant that the command line named."""
    from triptych.tasks import load

    return load(
        model,
        max_pixels=max_pixels,
        engine=engine,
        url=url,
        key_variable=key_variable,
        timeout_s=timeout_s,
        coordinates=coordinates,
        dtype=dtype,
        quantize=quantize,
        offline=offline,
    )
