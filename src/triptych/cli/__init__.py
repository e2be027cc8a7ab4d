"""The command line: one file per verb, each parses, calls one library function, and prints.

Results go to stdout, progress and errors to stderr. This package imports nothing heavy, so that
`triptych --help` is quick; a verb imports what it needs when it runs.
"""

import os
import sys

import typer

from triptych.cli import ask, caption, recipes, train, xray
from triptych.errors import TriptychError

app = typer.Typer(
    name="triptych",
    help="Build, train, run and X-ray vision-language models from three panels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("ask")(ask.ask)
app.command("caption")(caption.caption)
app.command("recipes")(recipes.recipes)
app.command("train")(train.train)
app.command("xray")(xray.xray)


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the full traceback of an error."),
) -> None:
    """Build, train, run and X-ray vision-language models from three panels."""
    if debug:
        os.environ["TRIPTYCH_DEBUG"] = "1"


def main() -> None:
    """Run the command line; errors of this package become one sentence and an exit code."""
    try:
        app()
    except TriptychError as error:
        if os.environ.get("TRIPTYCH_DEBUG"):
            raise
        print(f"triptych: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("triptych: interrupted", file=sys.stderr)
        sys.exit(130)
