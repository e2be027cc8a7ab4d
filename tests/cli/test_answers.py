"""`caption` and `ask`: results on stdout, and the same result for a program as for a person."""

import json
from pathlib import Path

import pytest
from tests.cli.command import Command

from triptych.tasks import responding


def test_one_caption_is_printed_alone(triptych: Command, model: Path, photo: Path) -> None:
    done = triptych("caption", photo, "--model", model, "--max-tokens", 4)
    assert (done.code, done.err) == (0, "")
    assert str(photo) not in done.out


def test_several_captions_carry_the_names_of_their_pictures(
    triptych: Command, model: Path, photo: Path
) -> None:
    done = triptych("caption", photo, photo, "--model", model / "model", "--max-tokens", 4)
    assert done.out.count(f"{photo}: ") == 2


def test_json_has_one_object_a_line(triptych: Command, model: Path, photo: Path) -> None:
    done = triptych("caption", photo, photo, "--model", model, "--json", "--max-tokens", 4)
    first, second = map(json.loads, done.out.splitlines())
    # Two rows of one matrix product may be summed in another order: equal but for the last bits.
    assert first.pop("log_probability") == pytest.approx(second.pop("log_probability"), rel=1e-6)
    assert first == second
    assert first["picture"] == str(photo)
    assert first["answer_tokens"] <= 4
    assert set(first) >= {"text", "ended", "prompt_tokens"}


def test_a_streamed_answer_equals_the_whole_one(
    triptych: Command, model: Path, photo: Path
) -> None:
    question = (photo, "what is it?", "--model", model, "--max-tokens", 8)
    streamed = triptych("ask", *question)
    whole = triptych("ask", *question, "--json")
    assert streamed.err == whole.err == ""
    assert streamed.out.strip() == json.loads(whole.out)["text"]


def test_many_questions_are_answered_line_by_line(
    triptych: Command, model: Path, photo: Path, tmp_path: Path
) -> None:
    file = tmp_path / "questions.txt"
    file.write_text("what is it?\n\nis it red?\n")
    options = ("--model", model, "--max-tokens", 4)
    done = triptych("ask", photo, "--questions", file, *options)
    told = [line.split("\t") for line in done.out.splitlines()]
    assert [question for question, _ in told] == ["what is it?", "is it red?"]
    for question, answer in told:
        assert triptych("ask", photo, question, *options).out.strip() == answer
    as_json = triptych("ask", photo, "--questions", file, *options, "--json")
    assert [json.loads(line)["text"] for line in as_json.out.splitlines()] == [
        answer for _, answer in told
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "cannot be read"), (b"\n \n", "no question"), (b"\xff", "UTF-8")],
)
def test_a_file_without_questions_is_refused(
    triptych: Command, photo: Path, tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "questions.txt"
    if content is not None:
        file.write_bytes(content)
    done = triptych("ask", photo, "--questions", file)
    assert done.code == 2
    assert problem in done.err


def test_sampling_depends_on_the_seed(triptych: Command, model: Path, photo: Path) -> None:
    options = ("--model", model, "--temperature", 5, "--max-tokens", 8, "--json")
    first, same, other = (
        json.loads(triptych("caption", photo, *options, "--seed", seed).out)["text"]
        for seed in (1, 1, 2)
    )
    assert first == same != other


@pytest.mark.parametrize("verb", ["ask", "caption", "locate", "point"])
def test_what_to_know_about_an_answer_stands_beside_it(
    triptych: Command, model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(responding, "note_on", lambda name, pictures: "beware")
    monkeypatch.chdir(photo.parent)
    what = [] if verb == "caption" else ["star"]
    arguments = (verb, photo, *what, "--model", model, "--max-tokens", 2)
    done = triptych(*arguments)
    assert done.code == 0
    assert "note: beware" in done.err.splitlines()
    done = triptych(*arguments, "--json")
    assert (done.err, json.loads(done.out)["note"]) == ("", "beware")
