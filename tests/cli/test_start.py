"""The command line starts quickly and says what it can do."""

import subprocess
import sys

import pytest
from tests.cli.command import Command

IMPORTS = """
import sys
import triptych, triptych.cli
heavy = {"torch", "numpy", "PIL", "tokenizers", "safetensors", "matplotlib", "huggingface_hub"}
print(*sorted(heavy & set(sys.modules)))
"""

VERBS = (
    *("ask", "build", "caption", "chat", "draw", "evaluate", "export", "fits"),
    *("locate", "models", "point", "read", "recipes", "score", "train", "watch", "xray"),
)
OPTIONS = (
    *("--model", "--max-pixels", "--temperature", "--beams", "--seed", "--max-tokens"),
    *("--top-p", "--top-k", "--min-p", "--repetition-penalty", "--contrast", "--contrast-strength"),
    *("--lookup", "--alternatives"),
    *("--dtype", "--quantize", "--offline"),
)
LOOKING = ("ask", "caption", "chat", "locate", "point", "read", "watch")
"""Verbs that put something to a model."""


def test_starting_imports_nothing_heavy() -> None:
    # In a process of its own: here everything has been imported already.
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_help_lists_every_verb_in_whole_sentences(triptych: Command) -> None:
    done = triptych("--help")
    assert done.code == 0
    assert "..." not in done.out.partition("Commands:")[2]
    for verb in VERBS:
        assert f"\n  {verb} " in done.out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(triptych: Command, verb: str) -> None:
    done = triptych(verb, "--help")
    assert done.code == 0
    assert f"Usage: triptych {verb}" in done.out
    assert "--json" in done.out


@pytest.mark.parametrize("verb", LOOKING)
def test_every_verb_that_looks_takes_the_same_options(triptych: Command, verb: str) -> None:
    shown = triptych(verb, "--help").out
    for option in OPTIONS:
        assert option in shown
    for option in ("--engine", "--url", "--key-variable", "--timeout"):
        assert option in shown
    assert ("--coordinates" in shown) == (verb in ("locate", "models", "point"))
    assert "[default: mini]" in shown


def test_the_version_is_the_package_version(triptych: Command) -> None:
    assert triptych("--version").out.startswith("0.")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["caption", "x.jpg", "--modle", "y"], "--modle"),
        (["paint"], "paint"),
        (["locate", "x.jpg"], "phrase"),
        (["caption", "--model", "y"], "pictures"),
        (["caption", "x.jpg", "--model", "y", "--beams", "two"], "--beams"),
        (["ask", "x.jpg", "what?", "--contrast", "white"], "--contrast"),
    ],
)
def test_wrong_usage_gets_a_short_message(
    triptych: Command, arguments: list[str], named: str
) -> None:
    done = triptych(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert named in done.err
    assert len(done.err.splitlines()) <= 5
    assert "Traceback" not in done.err


def test_debug_lets_the_traceback_through(
    triptych: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triptych.cli import main
    from triptych.errors import UnknownNameError

    monkeypatch.setenv("TRIPTYCH_DEBUG", "")
    monkeypatch.setattr(sys, "argv", ["triptych", "--debug", "recipes", "show", "flickr9k"])
    with pytest.raises(UnknownNameError):
        main()
