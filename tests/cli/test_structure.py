"""`--schema`, `--regex` and `--choice`: the form of an answer."""

import json
import re
import sys
from pathlib import Path

import pytest
from tests.cli.command import Command

LENGTH = ("--max-tokens", 60)


def test_an_answer_is_one_of_the_choices(triptych: Command, model: Path, photo: Path) -> None:
    choices = ("--choice", "a cat", "--choice", "a dog")
    done = triptych("ask", photo, "what is it?", "--model", model, *LENGTH, *choices)
    assert (done.code, done.err) == (0, "")
    assert done.out in ("a cat\n", "a dog\n")


def test_an_answer_matches_the_expression(triptych: Command, model: Path, photo: Path) -> None:
    asked = ("ask", photo, "when?", "--model", model, *LENGTH, "--regex", r"\d{2}:\d{2}")
    done = triptych(*asked)
    assert done.code == 0 and re.fullmatch(r"\d{2}:\d{2}\n", done.out)
    told = json.loads(triptych(*asked, "--json").out)
    assert told["text"] == done.out.strip() and told["ended"]


@pytest.mark.parametrize("verb", ["ask", "read"])
def test_an_answer_is_json_of_the_schema(
    triptych: Command, model: Path, photo: Path, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "schema.json").write_text('{"paid": "boolean", "by": {"enum": ["cash", "card"]}}')
    question = ["what?"] if verb == "ask" else []
    schema = ("--schema", tmp_path / "schema.json")
    done = triptych(verb, photo, *question, "--model", model, *LENGTH, *schema)
    assert (done.code, done.err) == (0, "")
    value = json.loads(done.out)
    assert list(value) == ["paid", "by"] and value["by"] in ("cash", "card")


def test_every_turn_of_a_chat_has_the_form(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "turns").write_text("is it red?\nis it round?\n")
    with (tmp_path / "turns").open() as turns:
        monkeypatch.setattr(sys, "stdin", turns)
        done = triptych("chat", photo, "--model", model, "--choice", "yes", "--choice", "no")
    assert done.code == 0
    first, second = done.out.splitlines()
    assert {first, second} <= {"yes", "no"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--regex", "a", "--choice", "b"), "give --schema, --regex or --choice alone"),
        (("--regex", "("), r"the regular expression '\(' is not one"),
        (("--regex", "(?=a)"), "look-around"),
        (("--choice", ""), "a choice needs texts"),
        (("--schema", "none.json"), "none.json cannot be read"),
        (("--choice", "a", "--beams", "2"), "beam search follows no structure"),
    ],
)
def test_a_form_that_cannot_be_held_is_refused_before_a_model_is_loaded(
    triptych: Command, photo: Path, options: tuple[str, ...], named: str
) -> None:
    done = triptych("ask", photo, "what?", "--model", "no-such-folder", *options)
    assert done.code == 2
    assert re.search(named, done.sentence)


def test_a_form_without_the_library_names_the_extra(
    triptych: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llguidance", None)
    done = triptych("ask", photo, "what?", "--choice", "a")
    assert done.code == 1
    assert "run: pip install 'triptych[structure]'" in done.sentence
