"""Every verb that looks asks a server as it asks the native engine."""

import io
import json
import sys
from pathlib import Path

import pytest
from tests.cli.command import Command
from tests.engines.scripted import DONE, chunk, completion, says, serving, streams

USAGE = {"prompt_tokens": 30, "completion_tokens": 2}


def test_an_answer_is_streamed_and_whole(triptych: Command, photo: Path) -> None:
    streamed, whole = streams(chunk("a "), chunk("cat", "stop"), DONE), completion("a cat")
    with serving(streamed, says({**whole, "usage": USAGE})) as scripted:
        options = (photo, "what?", "--engine", "openai", "--url", scripted.url, "--model", "m")
        done = triptych("ask", *options)
        assert (done.code, done.out, done.err) == (0, "a cat\n", "")
        told = json.loads(triptych("ask", *options, "--json").out)
    assert [asked.body.get("stream") for asked in scripted.asked] == [True, None]
    assert told == {
        "text": "a cat",
        "ended": True,
        "log_probability": None,
        "prompt_tokens": 30,
        "answer_tokens": 2,
    }


def test_all_other_verbs_too(
    triptych: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    (photo.parent / "clip").mkdir()
    (photo.parent / "clip" / "1.png").write_bytes(photo.read_bytes())
    answer = '{"bbox_2d": [100, 250, 500, 750], "label": "cat"}'
    with serving(says(completion(answer))) as scripted:
        options = ("--engine", "openai", "--url", scripted.url, "--model", "qwen2-vl")
        assert triptych("caption", photo, *options).out == answer + "\n"
        assert json.loads(triptych("read", photo, *options).out)["label"] == "cat"
        assert triptych("locate", photo, "cat", *options).out == "cat: 6, 10, 30, 30\n"
        done = triptych("locate", photo, "cat", *options, "--coordinates", "vertical-first")
        assert done.out == "cat: 15, 4, 45, 20\n"
        assert triptych("point", photo, "cat", *options).err == "nothing was found for 'cat'\n"
        assert triptych("watch", "clip", "what?", *options).out == answer + "\n"
        monkeypatch.setattr(sys, "stdin", io.StringIO("hi\nand?\n"))
        assert triptych("chat", photo, *options, "--json").out.count("\n") == 2


def test_a_key_is_taken_from_the_variable_that_is_named(
    triptych: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "abc")
    with serving(says(completion("hi"))) as scripted:
        options = ("--engine", "openai", "--url", scripted.url, "--key-variable", "MY_KEY")
        triptych("caption", photo, *options, "--model", "m")
        assert scripted.asked[-1].headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--engine", "openai"), 2, "needs the address of a server; give it with --url"),
        (("--engine", "opneai"), 2, "no engine named 'opneai'; did you mean openai or native?"),
        (("--url", "http://host"), 2, "a url is for the openai engine, not for native"),
        (("--engine", "openai", "--url", "host:1"), 2, "is no address of a server"),
        (
            ("--engine", "openai", "--url", "http://127.0.0.1:9", "--model", "m"),
            1,
            "is it running?",
        ),
        (("--engine", "openai", "--url", "http://h", "--timeout", "0"), 2, "above 0 seconds"),
        (("--engine", "openai", "--url", "http://h", "--model", "m", "--beams", "2"), 2, "no beam"),
        (("--engine", "transformers"), 2, "needs a model; name a folder"),
    ],
)
def test_mistakes_get_one_sentence(
    triptych: Command, photo: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    done = triptych("caption", photo, *options)
    assert done.code == code
    assert said in done.sentence
