"""The openai engine against a server that is not ours: `transformers serve`, in its own process.

It runs an exported debug model of ours, so its greedy answers must be those of the native engine.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import Command
from tests.engines.checkpoints import export_llava
from tests.laws.debug_models import picture

import triptych
from triptych.errors import EngineError
from triptych.generate import GenerationOptions
from triptych.tasks import Assistant

GREEDY = GenerationOptions(max_new_tokens=12)
QUESTION = "what is to the left of the blue square?"
PATIENCE_S = 120.0

NEEDED = ("transformers", "fastapi", "uvicorn", "openai", "pydantic", "accelerate")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING), reason=f"`transformers serve` needs {', '.join(MISSING)}, not installed here"
    ),
]


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    return export_llava(tmp_path_factory.mktemp("served") / "llava")


@pytest.fixture(scope="module")
def url(llava, tmp_path_factory) -> Iterator[str]:
    """The address of the server, once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-c", "from transformers.cli.transformers import main; main()"),
        *("serve", str(llava), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
        *("--dtype", "float32", "--attn-implementation", "eager"),
    ]
    home = tmp_path_factory.mktemp("cache")
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
    log = home / "log.txt"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **offline}
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"transformers serve did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def native(llava) -> Assistant:
    return triptych.load(llava)


@pytest.fixture(scope="module")
def served(url, llava) -> Assistant:
    return triptych.load(engine="openai", url=url)  # it lists its one model


@pytest.mark.parametrize("numbers", [(0,), (1, 2), ()], ids=["one", "two", "none"])
def test_a_server_says_what_the_native_engine_says_streaming_and_not(native, served, numbers):
    pictures = [picture(number, 40 + 10 * number, 60) for number in numbers]
    ours = native.ask(pictures, QUESTION, GREEDY)
    whole = served.ask(pictures, QUESTION, GREEDY)
    streamed = served.stream(pictures, QUESTION, GREEDY)
    pieces = list(streamed)
    assert len(pieces) > 1
    assert whole.text == "".join(pieces).strip() == ours.text
    for told in (whole, streamed.reply):
        assert told.ended == ours.ended
        assert told.num_prompt_tokens == ours.num_prompt_tokens
        assert told.num_answer_tokens == ours.num_answer_tokens
        assert told.log_probability is None  # this server never tells


def test_a_conversation_goes_on_behind_a_server(native, served):
    talks = [each.chat([picture(0)], GREEDY) for each in (native, served)]
    first, second = (talk.send(QUESTION) for talk in talks)
    assert first == second
    ours, theirs = ("".join(talk.stream("and here?", [picture(1)])).strip() for talk in talks)
    assert ours == theirs


def test_what_the_server_does_not_know_is_told_in_its_words(served):
    with pytest.raises(EngineError, match=r"refuses the request \(422: Unexpected fields .*top_k"):
        served.ask([], QUESTION, GenerationOptions(temperature=1.0, top_k=3))


def test_another_model_is_told_in_its_words(url):
    other = triptych.load("other", engine="openai", url=url)
    with pytest.raises(EngineError, match=r"400: Server is pinned to .*; requested 'other'"):
        other.ask([], QUESTION)


def test_the_command_line_asks_a_server(url, llava, native, tmp_path, monkeypatch, capsys):
    from PIL import Image

    path = tmp_path / "picture.png"
    Image.fromarray(picture(0)).save(path)
    options = ("--engine", "openai", "--url", url, "--model", llava, "--max-tokens", 12)
    triptych_command = Command(monkeypatch, capsys)
    done = triptych_command("ask", path, QUESTION, *options)
    assert (done.code, done.err) == (0, "")
    assert done.out.strip() == native.ask([picture(0)], QUESTION, GREEDY).text
