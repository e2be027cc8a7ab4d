"""The command line: one file per verb, each parses, calls one library function, and prints.

Results go to stdout, progress and errors to stderr. This package imports nothing heavy, so that
`triptych --help` is quick; a verb imports what it needs when it runs.

Exit codes: 0 done, 1 the request could not be carried out, 2 the request is wrong, 130 stopped.
"""

import os
import sys

import typer

from triptych.cli import ask, caption, recipes, train, xray
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
app.command("caption", short_help="Describe pictures.")(caption.caption)
app.command("recipes", short_help="List what can be trained, with every setting.")(recipes.recipes)
app.command("train", short_help="Train a model by a recipe.")(train.train)
app.command("xray", short_help="Parameters, shapes and costs of a model.")(xray.xray)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(version("triptych"))
        raise typer.Exit


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
        app()
    except TriptychError as error:
        _stop(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        _stop(_sentence(error), 1)
    except KeyboardInterrupt:
        _stop("interrupted", 130)


def _stop(sentence: str, exit_code: int) -> None:
    """Say why and exit; called while the error is being handled."""
    if os.environ.get(DEBUG):
        raise
    print(f"triptych: {sentence}", file=sys.stderr)
    sys.exit(exit_code)


def _sentence(error: OSError) -> str:
    """What the operating system refused, and where."""
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason
