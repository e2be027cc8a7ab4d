"""Options of loading that every verb takes: names on the Hub, kinds of numbers, fewer bits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from tests.checkpoint.hub_server import Hub, Repository, serving
from tests.checkpoint.parts import write_language_folder, write_vision
from tests.checkpoint.published import small
from tests.cli.command import Command

import triptych as package
from triptych.checkpoint.layouts import export_model
from triptych.errors import UsageError
from triptych.nn.quantised import has_int8


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub with a small model, and a folder to stand in."""
    export_model(tmp_path / "published", small())
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with serving() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        publish(served, "owner/small", tmp_path / "published")
        yield served


def publish(hub: Hub, name: str, folder: Path) -> None:
    hub.repositories[name] = Repository({p.name: p.read_bytes() for p in folder.iterdir()})


def test_a_name_on_the_hub_is_a_model_for_every_verb(
    triptych: Command, hub: Hub, photo: Path, tmp_path: Path
) -> None:
    question = (photo, "what is it?", "--max-tokens", 6, "--json", "--model")
    asked = triptych("ask", *question, "owner/small")
    assert (asked.code, asked.err) == (0, "")
    assert asked.out == triptych("ask", *question, tmp_path / "published").out
    hub.repositories.clear()
    assert triptych("ask", *question, "owner/small", "--offline").out == asked.out
    shown = json.loads(triptych("xray", "owner/small@main", "--json").out or "{}")
    assert shown == {}  # not offline: the Hub says that there is no such model any more


def test_settings_are_enough_to_look_at_a_model(triptych: Command, hub: Hub) -> None:
    shown = json.loads(triptych("xray", "owner/small", "--json").out)
    assert shown["name"] == "small"
    assert not [name for name in hub.sent if name.endswith(".safetensors")]


def test_an_export_may_come_from_the_hub(triptych: Command, hub: Hub, tmp_path: Path) -> None:
    done = triptych("export", "owner/small", "--out", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    before, after = tmp_path / "published", tmp_path / "out"
    assert (after / "model.safetensors").read_bytes() == (before / "model.safetensors").read_bytes()


def test_a_model_is_built_from_parts_on_the_hub(
    triptych: Command, hub: Hub, tmp_path: Path
) -> None:
    write_vision(tmp_path / "clip")
    write_language_folder(tmp_path / "llama")
    publish(hub, "some/clip", tmp_path / "clip")
    publish(hub, "some/llama", tmp_path / "llama")
    parts = ("--vision", "some/clip", "--language", "some/llama")
    done = triptych("build", *parts, "--out", tmp_path / "new")
    assert (done.code, done.err) == (0, "")
    again = triptych("build", *parts, "--out", tmp_path / "again", "--offline")
    assert again.code == 0
    weights = [(tmp_path / each / "model.safetensors").read_bytes() for each in ("new", "again")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("owner/nothing", 2, "no folder and no model on the Hub named 'owner/nothing'"),
        ("owner/small@v7", 2, "owner/small has no revision 'v7'"),
    ],
)
def test_what_the_hub_does_not_have_is_told_in_one_sentence(
    triptych: Command, hub: Hub, photo: Path, name: str, code: int, message: str
) -> None:
    done = triptych("ask", photo, "what?", "--model", name)
    assert done.code == code
    assert message in done.sentence


def test_offline_says_what_to_do(triptych: Command, hub: Hub, photo: Path) -> None:
    done = triptych("caption", photo, "--model", "owner/small", "--offline")
    assert done.code == 1
    assert "does not have owner/small; fetch it once with a network" in done.sentence
    assert hub.asked == []


@pytest.mark.skipif(not has_int8(), reason="this CPU has no VNNI instructions")
@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_fewer_bits_answer(triptych: Command, model: Path, photo: Path, bits: str) -> None:
    question = ("ask", photo, "what is it?", "--max-tokens", 4, "--json", "--model", model)
    done = triptych(*question, "--quantize", f"language={bits},vision={bits}")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["answer_tokens"] >= 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_answers(triptych: Command, model: Path, photo: Path, dtype: str) -> None:
    done = triptych("caption", photo, "--max-tokens", 4, "--model", model, "--dtype", dtype)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--dtype", "half"), "no kind of numbers (--dtype) named 'half'"),
        (("--quantize", "eyes=int8"), "no panel 'eyes' to quantise"),
        (("--quantize", "vision=int2"), "no kind of quantised weights named 'int2'"),
    ],
)
def test_what_does_not_exist_is_refused(
    triptych: Command, model: Path, photo: Path, option: tuple[str, str], message: str
) -> None:
    done = triptych("ask", photo, "what?", "--model", model, *option)
    assert done.code == 2
    assert message in done.sentence


@pytest.mark.parametrize(
    "option", [{"dtype": "bfloat16"}, {"quantize": "language=int8"}, {"offline": True}]
)
def test_other_engines_choose_their_own_numbers(option: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(option))} is for the native engine"):
        package.load("m", engine="openai", url="http://localhost:1", **option)  # type: ignore
