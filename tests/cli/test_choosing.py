"""How words are chosen, as the command line says it and as the model is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Command
from tests.engines.scripted import completion, says, scores, serving

from triptych.cli.decoding import GREEDY, Choosing
from triptych.generate import GenerationOptions
from triptych.generate.contrast import Contrast
from triptych.tasks import Answer, Assistant


def test_nothing_said_is_what_python_does_without_options() -> None:
    assert GREEDY.options(beams=1, max_tokens=64) == GenerationOptions()


def test_everything_said_arrives() -> None:
    choosing = Choosing(
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        min_p=0.1,
        seed=3,
        repetition_penalty=1.2,
        contrast="noise",
        contrast_strength=0.5,
        alternatives=2,
    )
    assert choosing.options(beams=1, max_tokens=7) == GenerationOptions(
        max_new_tokens=7,
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        min_p=0.1,
        seed=3,
        repetition_penalty=1.2,
        contrast=Contrast(against="noise", strength=0.5),
        num_alternatives=2,
    )
    options = Choosing(lookup=6).options(beams=1, max_tokens=7)
    assert options == GenerationOptions(max_new_tokens=7, lookup=6)


@pytest.mark.parametrize("verb", ["ask", "caption", "locate", "point", "read", "watch"])
def test_every_verb_passes_on_what_was_said(
    triptych: Command, photo: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.chdir(photo.parent)
    what = [photo, *([] if verb in ("caption", "read") else ["star"])]
    if verb == "watch":
        (photo.parent / "clip").mkdir()
        (photo.parent / "clip" / "1.png").write_bytes(photo.read_bytes())
        what[0] = "clip"
    said = ("--min-p", 0.1, "--repetition-penalty", 1.2, "--alternatives", 4, "--json")
    with serving(says(completion("{}"))) as scripted:
        where = ("--engine", "openai", "--url", scripted.url, "--model", "qwen2-vl")
        assert triptych(verb, *what, *where, *said, "--temperature", 1).code == 0
        [body] = [asked.body for asked in scripted.asked]
    assert (body["temperature"], body["min_p"], body["repetition_penalty"]) == (1.0, 0.1, 1.2)
    assert body["top_logprobs"] == 4


@pytest.mark.parametrize(
    ("said", "num_beams"),
    [
        ((), 3),
        (("--seed", 3, "--top-k", 5), 3),
        (("--temperature", 1), 1),
        (("--repetition-penalty", 1.1), 1),
        (("--lookup", 2), 1),
        (("--contrast", "blank"), 1),
        (("--alternatives", 2), 1),
        (("--beams", 2), 2),
    ],
)
def test_captions_are_searched_for_where_that_can_be(
    triptych: Command,
    model: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: tuple[Any, ...],
    num_beams: int,
) -> None:
    asked: list[GenerationOptions] = []

    def caption(
        self: Assistant, pictures: object, options: GenerationOptions, prompt: str | None
    ) -> list[Answer]:
        asked.append(options)
        return [Answer("a cat", True, None, None, None)]

    monkeypatch.setattr(Assistant, "caption", caption)
    assert triptych("caption", photo, "--model", model, *said).out == "a cat\n"
    assert [options.num_beams for options in asked] == [num_beams]


def test_json_tells_what_might_have_come_where_it_is_asked(triptych: Command, photo: Path) -> None:
    told = completion("hi")
    told["choices"][0]["logprobs"] = scores([-0.5], [{"hi": -0.5, "ho": -1.5}])
    with serving(says(told)) as scripted:
        where = (photo, "what?", "--engine", "openai", "--url", scripted.url, "--model", "m")
        shown = json.loads(triptych("ask", *where, "--json", "--alternatives", 2).out)
    assert shown["log_probabilities"] == [-0.5]
    assert shown["alternatives"] == [
        [{"text": "hi", "log_probability": -0.5}, {"text": "ho", "log_probability": -1.5}]
    ]
