"""`read`: a document as JSON, and how far it is what was asked for."""

import json
import sys

import numpy as np
import pytest
from tests.tasks.saying import asked, say

from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.tasks.read import parse_json

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


def test_an_engine_that_holds_structures_reads_the_asked_fields_and_no_others(qwen):
    fields = {
        "kind": {"enum": ["receipt", "menu"]},
        "paid": "boolean",
        "pages": {"type": "array", "items": {"type": "null"}, "maxItems": 2},
    }
    for seed in range(2):
        options = GenerationOptions(max_new_tokens=80, temperature=1.0, seed=seed)
        reading = qwen.read(PAGE, fields, options)
        assert (reading.ended, reading.is_json, reading.missing) == (True, True, ())
        assert list(reading.value) == ["kind", "paid", "pages"]
        assert reading.value["kind"] in ("receipt", "menu")
        assert isinstance(reading.value["paid"], bool)


def test_beams_follow_no_schema_and_say_so(qwen):
    reading = qwen.read(PAGE, SCHEMA, GenerationOptions(max_new_tokens=4, num_beams=2))
    assert "beam search follows no schema" in reading.note
    assert not reading.is_json


def test_without_the_library_a_schema_only_asks_and_says_so(qwen, monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    say(monkeypatch, '{"store":1}')
    reading = qwen.read(PAGE, SCHEMA)
    assert reading.missing == ("date", "total")
    assert "pip install 'triptych[structure]'" in reading.note


def test_a_schema_that_cannot_be_obeyed_is_refused(qwen):
    with pytest.raises(UsageError, match="'uniqueItems' at #/properties/a of the schema"):
        qwen.read(PAGE, {"a": {"type": "array", "uniqueItems": True}})
