"""`build`: a model from published parts, which every verb takes."""

import json
from pathlib import Path

import pytest
from tests.checkpoint.parts import write_language_folder, write_vision
from tests.cli.command import Command


@pytest.fixture
def parts(tmp_path: Path) -> list[object]:
    """The options that name both parts and the place of the new model."""
    write_vision(tmp_path / "clip")
    write_language_folder(tmp_path / "llama")
    folders = ("--vision", tmp_path / "clip", "--language", tmp_path / "llama")
    return [*folders, "--out", tmp_path / "new"]


def test_what_is_built_answers_is_seen_through_and_exported(
    triptych: Command, parts: list[object], photo: Path, tmp_path: Path
) -> None:
    done = triptych("build", *parts, "--connector", "mlp")
    assert (done.code, done.err) == (0, "")
    assert "the connector is fresh" in done.out
    counted = json.loads(triptych("xray", tmp_path / "new", "--json").out)
    assert counted["parameters"]
    exported = triptych("export", tmp_path / "new", "--to", "hf", "--out", tmp_path / "hf")
    assert (exported.code, exported.err) == (0, "")
    question = (photo, "what is it?", "--max-tokens", 4, "--json", "--model")
    answers = [triptych("ask", *question, tmp_path / name) for name in ("new", "hf")]
    assert answers[0].code == 0 and answers[0].out == answers[1].out


def test_json_counts_the_parameters_of_each_panel(triptych: Command, parts: list[object]) -> None:
    told = json.loads(triptych("build", *parts, "--connector", "linear", "--json").out)
    assert told["parameters"]["connector"] == 33 * 48


def test_an_unknown_connector_is_refused(
    triptych: Command, parts: list[object], tmp_path: Path
) -> None:
    done = triptych("build", *parts, "--connector", "glue")
    assert done.code == 2
    assert "no connector named 'glue'; known: attention_pool, linear, merger, mlp" in done.sentence
    assert not (tmp_path / "new").exists()


def test_a_part_is_not_written_over(triptych: Command, parts: list[object], tmp_path: Path) -> None:
    done = triptych("build", *parts[:-1], tmp_path / "clip")
    assert done.code == 2
    assert "is one of the parts; name another folder" in done.sentence


def test_a_folder_without_a_configuration_is_refused(
    triptych: Command, parts: list[object], tmp_path: Path
) -> None:
    (tmp_path / "clip" / "config.json").unlink()
    done = triptych("build", *parts)
    assert done.code == 1
    assert "config.json does not exist" in done.sentence
