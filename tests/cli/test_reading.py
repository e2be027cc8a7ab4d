"""`read` and `watch`: documents and clips."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.command import Command
from tests.tasks.saying import asked, say


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """An animated GIF of four frames."""
    frames = [Image.new("RGB", (48, 32), (60 * n, 0, 0)) for n in range(4)]
    path = tmp_path / "clip.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=500)
    return path


def test_json_is_printed_for_people(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, '{"total":"3.20 €"}')
    done = triptych("read", photo, "--model", model)
    assert (done.code, done.err) == (0, "")
    assert done.out == '{\n  "total": "3.20 €"\n}\n'


def test_what_the_schema_asks_for_and_the_answer_lacks_is_said(
    triptych: Command, model: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "schema.json").write_text('{"store": "", "total": ""}')
    saying = say(monkeypatch, *['{"total":1}'] * 2)
    arguments = ("read", photo, "--schema", tmp_path / "schema.json", "--model", model)
    done = triptych(*arguments)
    assert (done.code, done.err) == (0, "note: the answer lacks store\n")
    assert asked(saying.prompts[0]) == "Extract store and total as JSON."
    told = json.loads(triptych(*arguments, "--json").out)
    assert (told["value"], told["missing"], told["is_json"]) == ({"total": 1}, ["store"], True)


def test_what_is_no_json_is_shown_and_fails(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(monkeypatch, '{"total":', ended=False)
    done = triptych("read", photo, "--model", model, "--max-tokens", 7)
    assert (done.code, done.out) == (1, '{"total":\n')
    assert done.err == (
        "triptych: the answer is not valid JSON; it was cut off after 7 tokens, so raise "
        "--max-tokens\n"
    )
    say(monkeypatch, "a receipt")
    done = triptych("read", photo, "--model", model, "--json")
    assert done.code == 1
    assert json.loads(done.out)["text"] == "a receipt"
    assert "name its fields with --schema" in done.err


def test_a_schema_that_is_no_json_is_named(
    triptych: Command, model: Path, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text("store, total")
    done = triptych("read", photo, "--schema", tmp_path / "schema.json", "--model", model)
    assert done.code == 2
    assert "schema.json is not JSON" in done.sentence
    done = triptych("read", photo, "--schema", tmp_path / "none.json", "--model", model)
    assert done.code == 2
    assert "none.json cannot be read" in done.sentence


def test_a_clip_is_watched(triptych: Command, model: Path, clip: Path) -> None:
    options = ("--model", model, "--max-tokens", 4)
    done = triptych("watch", clip, "what moves?", *options)
    assert (done.code, done.err) == (0, "")
    told = [
        json.loads(triptych("watch", clip, "what moves?", *options, "--json", *more).out)
        for more in ((), ("--max-frames", 2), ("--fps", 0.5))
    ]
    assert told[0]["clip"] == str(clip)
    assert told[0]["text"] == done.out.strip()
    assert told[0]["prompt_tokens"] > told[1]["prompt_tokens"] >= told[2]["prompt_tokens"]


def test_what_is_no_clip_is_named(
    triptych: Command, model: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("words")
    done = triptych("watch", tmp_path / "text.mp4", "what moves?", "--model", model)
    assert done.code == 1
    assert "text.mp4 is a text file" in done.sentence
    done = triptych("watch", clip, "what moves?", "--model", model, "--fps", 0)
    assert done.code == 1
    assert "fps must be above 0" in done.sentence
    done = triptych("watch", clip, " ", "--model", model)
    assert done.code == 2
    assert "question is empty" in done.sentence
