"""`triptych score`: how well texts fit pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.decoding import DtypeOption, OfflineOption

if TYPE_CHECKING:
    from triptych.tasks import Comparison

PICTURE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def score(
    pictures_and_texts: Annotated[
        list[str], typer.Argument(help="One or more pictures, then one or more texts in quotes.")
    ],
    model: Annotated[
        str, typer.Option(help="Folder or name on the Hub of a CLIP, SigLIP or BLIP-2 retriever.")
    ],
    dtype: DtypeOption = "float32",
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON line a picture.")] = False,
) -> None:
    """Score how well each text fits each picture."""
    import json

    from triptych.tasks import load_scorer

    pictures, texts = divide(pictures_and_texts)
    compared = load_scorer(model, dtype=dtype, offline=offline).score(pictures, texts)
    if as_json:
        for picture, found in zip(pictures, compared.as_dicts(), strict=True):
            print(json.dumps({"picture": str(picture), **found}))
        return
    _print_table(pictures, compared)


def divide(arguments: list[str]) -> tuple[list[Path], list[str]]:
    """The leading arguments that are files, and the texts behind them.

    Raises:
        UsageError: one of both is missing, a picture stands behind a text, or a text looks like a
            picture that is not there.
    """
    from triptych.errors import UsageError

    is_file = [Path(each).is_file() for each in arguments]
    num_pictures = is_file.index(False) if False in is_file else len(arguments)
    pictures, texts = [Path(each) for each in arguments[:num_pictures]], arguments[num_pictures:]
    for text in texts:
        if Path(text).is_file():
            raise UsageError(f"{text} is a picture behind a text; give all pictures first")
        if text.lower().endswith(PICTURE_ENDINGS):
            raise UsageError(f"there is no picture {text}; check the path")
    if not pictures or not texts:
        raise UsageError("give at least one picture, then at least one text in quotes")
    return pictures, texts


def _print_table(pictures: list[Path], compared: "Comparison") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    caption = "texts compete: probabilities add up to 1" if compared.compete else "each by itself"
    table = Table(caption=caption)
    table.add_column("picture")
    table.add_column("text")
    table.add_column("similarity", justify="right")
    table.add_column("probability", justify="right")
    for picture, similarities, probabilities in zip(
        pictures, compared.similarities, compared.probabilities, strict=True
    ):
        for index, text in enumerate(compared.texts):
            name = str(picture) if index == 0 else ""
            numbers = (f"{similarities[index]:.4f}", f"{probabilities[index]:.4f}")
            table.add_row(Text(name), Text(text), *numbers)
        table.add_section()
    Console().print(table)
