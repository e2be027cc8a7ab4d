"""Options that the generating verbs share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triptych.generate import GenerationOptions

DEFAULT_MODEL = "mini"
"""As `triptych.tasks.DEFAULT_MODEL`, which is too heavy to import where verbs are listed."""

ModelOption = Annotated[
    str, typer.Option("--model", help="An embedded model, or the folder of a run or a model.")
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
