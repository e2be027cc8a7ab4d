"""`read`: a document as JSON, and how far it is what was asked for."""

import json

import numpy as np
import pytest
from tests.tasks.saying import asked, say

from triptych.errors import UsageError
from triptych.tasks.read import field_names, parse_json

PAGE = np.full((64, 48, 3), 255, np.uint8)
SCHEMA = {"store": "string", "date": "string", "total": "number"}


def test_without_a_schema_all_is_asked_for(qwen, monkeypatch):
    saying = say(monkeypatch, '{"store":"Aldo","total":"3.20"}')
    reading = qwen.read(PAGE)
    assert asked(saying.prompts[0]) == "Transcribe everything that matters here as JSON."
    assert reading.value == {"store": "Aldo", "total": "3.20"}
    assert (reading.is_json, reading.missing, reading.ended) == (True, (), True)


def test_a_schema_names_what_is_asked_for_and_what_is_missing(qwen, monkeypatch):
    saying = say(monkeypatch, '{"total":1,"extra":{"date":2}}', "[1]", "7")
    reading = qwen.read(PAGE, SCHEMA)
    assert asked(saying.prompts[0]) == "Extract store, date and total as JSON."
    assert reading.missing == ("store", "date")
    assert json.loads(json.dumps(reading.as_dict()))["missing"] == ["store", "date"]
    assert qwen.read(PAGE, ["total"]).missing == ("total",)
    assert asked(saying.prompts[1]) == "Extract total as JSON."
    assert qwen.read(PAGE, ("a", "b"), prompt="Only {keys}!").missing == ("a", "b")
    assert asked(saying.prompts[2]) == "Only a and b!"


def test_an_answer_that_is_no_json_is_kept_as_text(qwen, monkeypatch):
    say(monkeypatch, '{"store":"Al', ended=False)
    reading = qwen.read(PAGE, SCHEMA)
    assert (reading.text, reading.value, reading.is_json) == ('{"store":"Al', None, False)
    assert reading.missing == ("store", "date", "total")
    assert not reading.ended


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("[]", []),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('``` {"a": "`"}```', {"a": "`"}),
    ],
)
def test_what_is_json(text, value):
    assert parse_json(text) == (value, True)


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "[" * 10**5, "1" * 5000])
def test_what_is_no_json(text):
    assert parse_json(text) == (None, False)


@pytest.mark.parametrize(
    "plain",
    [
        {"a": None, "b": {"c": 1}},
        ["a", "b"],
        {"$schema": "x", "type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
    ],
)
def test_a_schema_may_be_written_in_three_ways_and_stand_in_a_file(plain, tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(plain))
    assert field_names(plain) == field_names(path) == field_names(str(path)) == ("a", "b")


@pytest.mark.parametrize("plain", [{}, [], [1], [""], {"properties": {}}, 3])
def test_a_schema_without_fields_is_refused(plain, tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(UsageError, match="the schema names no fields"):
        field_names(path)


def test_a_schema_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.json").write_text("{nope")
    for name, problem in (("none.json", "cannot be read"), ("text.json", "is not JSON")):
        with pytest.raises(UsageError, match=rf"{name}.* ?{problem}"):
            field_names(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        field_names(tmp_path)
