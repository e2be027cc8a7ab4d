"""`triptych score`: a table for people, lines for programs, a sentence for mistakes."""

import json
from pathlib import Path

import pytest
from tests.cli.command import Command
from tests.laws.debug_scorers import scorer

from triptych.checkpoint.scorers import export_scorer


@pytest.fixture(scope="session", params=["clip_debug", "siglip_debug"])
def folder(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scorers") / request.param
    export_scorer(path, scorer(request.param))
    return path


def test_a_table_has_a_row_for_every_pair(triptych: Command, folder: Path, photo: Path) -> None:
    done = triptych("score", photo, "a cat", "a [bold] dog", "--model", folder)
    assert done.code == 0 and done.err == ""
    assert "similarity" in done.out and "probability" in done.out
    assert "a cat" in done.out and "a [bold] dog" in done.out


def test_json_has_a_line_for_every_picture(triptych: Command, folder: Path, photo: Path) -> None:
    done = triptych("score", photo, photo, "a cat", "a dog", "--model", folder, "--json")
    first, second = map(json.loads, done.out.splitlines())
    assert first["picture"] == second["picture"] == str(photo)
    assert [each["text"] for each in first["texts"]] == ["a cat", "a dog"]
    # Two rows of one product may be summed in another order.
    for one, other in zip(first["texts"], second["texts"], strict=True):
        assert one["similarity"] == pytest.approx(other["similarity"], abs=1e-6)
    total = sum(each["probability"] for each in first["texts"])
    assert first["compete"] == ("clip" in folder.name) == (total == pytest.approx(1))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["PHOTO"], "at least one picture, then at least one text"),
        (["a cat"], "at least one picture, then at least one text"),
        (["PHOTO", "a cat", "PHOTO"], "give all pictures first"),
        (["PHOTO", "dog.jpg"], "there is no picture dog.jpg"),
    ],
)
def test_wrong_arguments_get_a_sentence(
    triptych: Command, folder: Path, photo: Path, arguments: list[str], named: str
) -> None:
    given = [photo if each == "PHOTO" else each for each in arguments]
    done = triptych("score", *given, "--model", folder)
    assert done.code == 2 and named in done.sentence


def test_a_model_that_only_generates_gets_a_sentence(triptych: Command, photo: Path) -> None:
    done = triptych("score", photo, "a cat", "--model", "mini")
    assert done.code == 2 and "does not score" in done.sentence


def test_a_scorer_that_is_asked_gets_a_sentence(
    triptych: Command, folder: Path, photo: Path
) -> None:
    done = triptych("ask", photo, "what is it?", "--model", folder)
    assert done.code == 2 and "does not generate text; use `triptych score`" in done.sentence


def test_a_scorer_is_exported_too(triptych: Command, folder: Path, tmp_path: Path) -> None:
    done = triptych("export", folder, "--out", tmp_path / "again", "--json")
    assert done.code == 0 and "model.safetensors" in json.loads(done.out)["file_bytes"]
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_name_on_the_hub_that_is_not_cached_gets_a_sentence(
    triptych: Command, photo: Path
) -> None:
    done = triptych("score", photo, "a cat", "--model", "nobody/nothing-here", "--offline")
    assert done.code in (1, 2) and "nobody/nothing-here" in done.sentence
