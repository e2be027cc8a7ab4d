"""`triptych bench`: how fast a model is here, stage by stage."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from triptych.cli.decoding import DtypeOption, MaxPixelsOption, OfflineOption, QuantizeOption

if TYPE_CHECKING:
    from triptych.checkpoint.model_folder import LoadedModel
    from triptych.measure.profile import Profile


def bench(
    model: Annotated[
        str,
        typer.Argument(
            help="An embedded model, a folder, a name on the Hub, or with --random an architecture."
        ),
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Pictures to ask about [one is drawn].")
    ] = None,
    clip: Annotated[
        list[Path] | None, typer.Option(help="A clip to ask about; may be repeated.")
    ] = None,
    question: Annotated[
        str, typer.Option(help="What is asked about them.")
    ] = "What is in the picture?",
    new_tokens: Annotated[int, typer.Option(help="Tokens decoded.", min=1)] = 16,
    repeats: Annotated[
        int, typer.Option(help="Runs, besides one for warmth; medians are told.", min=1)
    ] = 5,
    threads: Annotated[
        int | None, typer.Option(help="Threads to compute with [PyTorch's choice].", min=1)
    ] = None,
    picture_size: Annotated[
        str, typer.Option(help="WIDTHxHEIGHT of the picture that is drawn where none is given.")
    ] = "448x448",
    random: Annotated[
        bool, typer.Option("--random", help="Take random weights; MODEL is an architecture.")
    ] = False,
    max_pixels: MaxPixelsOption = None,
    dtype: DtypeOption = "float32",
    quantize: QuantizeOption = "",
    offline: OfflineOption = False,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the profile into this file.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure a model from the file to the last token, beside what this machine can do at most.

    Of each stage: milliseconds, operations and bytes, and the share of the peak that bounds it.
    """
    from triptych.media import check_ending
    from triptych.xray.forecast import read_size

    size = read_size(picture_size)
    if picture is not None:
        check_ending(picture)
    loaded = _loaded(model, random, max_pixels, dtype, quantize, offline)
    if threads is not None:
        _compute_with(threads)
    shown = _Shown(images or [], clip or [], question, size)
    _tell(_measured(loaded, shown, quantize, new_tokens, repeats), picture, as_json)


class _Shown(NamedTuple):
    """What is asked, and about what."""

    images: list[Path]
    clips: list[Path]
    question: str
    size: tuple[int, int]
    """Height and width of the picture that is drawn where none is given."""


def _loaded(
    model: str, random: bool, max_pixels: int | None, dtype: str, quantize: str, offline: bool
) -> "LoadedModel":
    """The model that is named, or an architecture with random weights."""
    from triptych.checkpoint.model_folder import LoadedModel
    from triptych.measure.fresh import fresh_model
    from triptych.tasks import load

    if random:
        return fresh_model(model, max_pixels=max_pixels, dtype=dtype, quantize=quantize)
    assistant = load(model, max_pixels=max_pixels, dtype=dtype, quantize=quantize, offline=offline)
    return LoadedModel(assistant.architecture, assistant.model, assistant.processor)


def _compute_with(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _measured(
    loaded: "LoadedModel", shown: _Shown, quantize: str, num_new_tokens: int, repeats: int
) -> "Profile":
    import sys
    import tempfile
    from functools import partial

    from triptych.measure.picture import write_picture
    from triptych.measure.profile import profile

    with tempfile.TemporaryDirectory() as folder:
        images = list(shown.images)
        if not images and not shown.clips:
            height, width = shown.size
            images.append(write_picture(Path(folder) / "drawn.jpg", width, height))
        return profile(
            loaded,
            images,
            shown.question,
            clips=shown.clips,
            quantize=quantize,
            num_new_tokens=num_new_tokens,
            repeats=repeats,
            progress=partial(print, file=sys.stderr),
        )


def _tell(measured: "Profile", picture: Path | None, as_json: bool) -> None:
    """Print a profile, and draw it if there is a place for that."""
    import json
    import sys

    from triptych.measure.report import draw_profile, print_profile
    from triptych.media import save_picture

    if as_json:
        print(json.dumps(measured.as_dict()))
    else:
        print_profile(measured)
    if picture is not None:
        save_picture(draw_profile(measured), picture)
        print(f"drawn: {picture}", file=sys.stderr)
