"""The command line: one file per verb, each parses, calls one library function, and prints.

Results go to stdout, progress and errors to stderr. This package imports nothing heavy, so that
`triptych --help` is quick; a verb imports what it needs when it runs.

Exit codes: 0 done, 1 the request could not be carried out, 2 the request is wrong, 130 or 143
stopped by a signal.
"""

import os
import sys

import typer

from triptych.cli import (
    ask,
    bench,
    build,
    caption,
    chat,
    check,
    draw,
    evaluate,
    export,
    fits,
    locate,
    models,
    point,
    read,
    recipes,
    score,
    train,
    watch,
    xray,
)
from triptych.errors import TriptychError

DEBUG = "TRIPTYCH_DEBUG"
"""Environment variable that, like `--debug`, lets tracebacks through."""

app = typer.Typer(
    name="triptych",
    help="Build, train, run and X-ray vision-language models from three panels.",
    epilog="`triptych VERB --help` says more about one of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("ask", short_help="Ask a question about pictures.")(ask.ask)
app.command("bench", short_help="Measure a model, stage by stage.")(bench.bench)
app.command("build", short_help="Make a model from published parts.")(build.build)
app.command("caption", short_help="Describe pictures.")(caption.caption)
app.command("chat", short_help="Talk about pictures, turn by turn.")(chat.chat)
app.command("check", short_help="Find what would spoil a run, before it.")(check.check)
app.command("draw", short_help="Draw pictures whose every answer is known.")(draw.draw)
app.command("evaluate", short_help="Score a model, with intervals and controls.")(evaluate.evaluate)
app.command("export", short_help="Write a model for other engines.")(export.export)
app.command("fits", short_help="Foresee the memory a model takes.")(fits.fits)
app.command("locate", short_help="Find things in a picture, as boxes.")(locate.locate)
app.command("models", short_help="List models: what can be run.")(models.models)
app.command("point", short_help="Find things in a picture, as points.")(point.point)
app.command("read", short_help="Read a document into JSON.")(read.read)
app.command("recipes", short_help="List, show or check what can be trained.")(recipes.recipes)
app.command("score", short_help="Score how well texts fit pictures.")(score.score)
app.command("train", short_help="Train a model by a recipe.")(train.train)
app.command("watch", short_help="Ask a question about a clip.")(watch.watch)
app.command("xray", short_help="Parameters, shapes and costs of a model.")(xray.xray)


def _print_version(asked: bool) -> bool:
    if asked:
        from importlib.metadata import version

        print(version("triptych"))
        raise typer.Exit
    return asked


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the full traceback of an error."),
    version: bool = typer.Option(
        False, "--version", help="Show the version.", is_eager=True, callback=_print_version
    ),
) -> None:
    """Build, train, run and X-ray vision-language models from three panels."""
    if debug:
        os.environ[DEBUG] = "1"


def main() -> None:
    """Run the command line; expected errors become one sentence and an exit code."""
    try:
        app(prog_name="triptych")
    except (TriptychError, OSError) as error:
        if os.environ.get(DEBUG):
            raise
        print(f"triptych: {_sentence(error)}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, TriptychError) else 1)


def _sentence(error: TriptychError | OSError) -> str:
    """What went wrong; for what the operating system refused, also where."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
