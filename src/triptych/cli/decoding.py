"""Options that the generating verbs share."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
MaxTokensOption = Annotated[int, typer.Option("--max-tokens", help="Longest answer in tokens.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choosing:
    """How the command line says that words are chosen; `GenerationOptions` says more of each."""

    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest words; higher values vary.")
    ] = 0.0
    top_p: Annotated[float, typer.Option(help="Sample among words reaching this probability.")] = (
        1.0
    )
    top_k: Annotated[int, typer.Option(help="Sample among this many words; 0 means all.")] = 0
    min_p: Annotated[
        float,
        typer.Option(help="Sample among words this fraction as likely as the likeliest."),
    ] = 0.0
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 0
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1 makes words less likely that stand there already.")
    ] = 1.0
    contrast: Annotated[
        Literal["blank", "noise"] | None,
        typer.Option(
            help="Weaken what the model would say of blank or of noisy pictures; takes twice the "
            "time.",
            show_default=False,
        ),
    ] = None
    contrast_strength: Annotated[float, typer.Option(help="How much of --contrast.")] = 1.0
    lookup: Annotated[
        int,
        typer.Option(help="Draft this many words by what stands there already; 0 drafts none."),
    ] = 0
    alternatives: Annotated[
        int, typer.Option(help="With --json, tell this many of the likeliest tokens at each step.")
    ] = 0

    @property
    def suits_beams(self) -> bool:
        """Whether answers may be found by beam search."""
        plain = replace(self, top_p=1.0, top_k=0, min_p=0.0, seed=0, contrast_strength=1.0)
        return plain == GREEDY

    def options(self, *, beams: int, max_tokens: int) -> "GenerationOptions":
        """The generation options that the command line gave.

        Raises:
            ConfigError: they are out of range or do not go together.
        """
        from triptych.generate import GenerationOptions
        from triptych.generate.contrast import Contrast

        contrast = None
        if self.contrast is not None:
            contrast = Contrast(against=self.contrast, strength=self.contrast_strength)
        return GenerationOptions(
            max_new_tokens=max_tokens,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            num_alternatives=self.alternatives,
            contrast=contrast,
            lookup=self.lookup,
            num_beams=beams,
            seed=self.seed,
        )


GREEDY = Choosing()
"""What is chosen without any option."""


def with_choosing(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with an option for every field of its parameter `choosing`."""
    signature = inspect.signature(verb)
    fields = inspect.signature(Choosing).parameters

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        verb(choosing=Choosing(**{name: given.pop(name) for name in fields}), **given)

    spread = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        for each in (fields.values() if name == "choosing" else [parameter])
    ]
    run.__annotations__ = {each.name: each.annotation for each in spread}
    setattr(run, "__signature__", signature.replace(parameters=spread))  # noqa: B010
    return run


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
