"""`chat`: a line a turn, from a pipe or a terminal."""

import builtins
import io
import json
import sys
from pathlib import Path

import pytest
from tests.cli.command import Command, Finished
from tests.tasks.saying import asked, say

from triptych.tasks import responding


class Terminal(io.StringIO):
    """Standard input that a person types into."""

    def isatty(self) -> bool:
        return True


def talk(
    triptych: Command, monkeypatch: pytest.MonkeyPatch, lines: str, *arguments: object
) -> Finished:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    return triptych("chat", *arguments)


def type_in(
    triptych: Command, monkeypatch: pytest.MonkeyPatch, lines: str, *arguments: object
) -> Finished:
    """The same from a terminal that ends by Ctrl-D."""
    typed = iter(lines.splitlines())

    def read_line(prompt: str) -> str:
        for line in typed:
            return line
        raise EOFError

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(builtins, "input", read_line)
    return triptych("chat", *arguments)


def test_every_line_is_a_turn_that_knows_those_before(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saying = say(monkeypatch, "a star", "yes")
    options = (photo, "--model", model, "--json")
    done = talk(triptych, monkeypatch, "what is it?\n\n  sure? \n", *options)
    assert (done.code, done.err) == (0, "")
    assert [json.loads(line)["text"] for line in done.out.splitlines()] == ["a star", "yes"]
    assert list(map(asked, saying.prompts)) == ["what is it?", "sure?"]
    assert "what is it?<|im_end|>\n<|im_start|>assistant\na star" in saying.prompts[1]
    assert saying.prompts[1].count("<|vision_start|>") == 1


def test_streamed_turns_are_the_turns(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, options = "what is it?\nwhy?\n/quit\nno\n", (photo, "--model", model, "--max-tokens", 5)
    whole = talk(triptych, monkeypatch, lines, *options, "--json")
    streamed = talk(triptych, monkeypatch, lines, *options)
    texts = [json.loads(line)["text"] for line in whole.out.splitlines()]
    assert len(texts) == 2
    assert "".join(streamed.out.split()) == "".join("".join(texts).split())


def test_pictures_are_added_and_all_is_forgotten(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saying = say(monkeypatch, *"abcd")
    lines = f"hi\n/image {photo}\nsee?\nand?\n/reset\nwho?"
    assert talk(triptych, monkeypatch, lines, "--model", model, "--json").code == 0
    assert [prompt.count("<|vision_start|>") for prompt in saying.prompts] == [0, 1, 1, 0]
    assert [prompt.count("<|im_start|>user") for prompt in saying.prompts] == [1, 2, 3, 1]


def test_a_mistake_ends_a_pipe_and_not_a_terminal(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = f"/image {photo.with_name('none.png')}\n/what\nhi"
    done = talk(triptych, monkeypatch, lines, "--model", model)
    assert done.code == 1
    assert "there is no file" in done.sentence
    say(monkeypatch, "hello")
    done = type_in(triptych, monkeypatch, lines, "--model", model, "--json")
    assert done.code == 0
    assert json.loads(done.out)["text"] == "hello"
    assert "there is no file" in done.err and "/reset begins anew" in done.err


def test_a_picture_that_is_none_is_refused_at_once(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = talk(triptych, monkeypatch, "hi", photo.parent / "none.png", "--model", model)
    assert done.code == 1
    assert "none.png" in done.sentence


def test_a_note_is_printed_once(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responding, "note_on", lambda name, pictures: "beware" if pictures else "")
    options = (photo, "--model", model, "--max-tokens", 2)
    done = talk(triptych, monkeypatch, "what is it?\nwhy?", *options)
    assert (done.code, done.err) == (0, "note: beware\n")
