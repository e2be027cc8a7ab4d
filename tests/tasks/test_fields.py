"""What a person wants to read, however it is written."""

import json

import pytest

from triptych.errors import UsageError
from triptych.tasks.fields import field_names, json_schema


def closed(**properties: object) -> dict[str, object]:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


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
    assert json_schema(plain) == json_schema(path)
    assert json_schema(plain)["required"] == ["a", "b"]


@pytest.mark.parametrize("plain", [{}, [], [1], [""], {"properties": {}}, 3])
def test_a_schema_without_fields_is_refused(plain, tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(UsageError, match="the schema names no fields"):
        field_names(path)


def test_a_schema_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "text.json").write_text("{nope")
    for name, problem in (("none.json", "cannot be read"), ("text.json", "is not JSON")):
        for reading in (field_names, json_schema):
            with pytest.raises(UsageError, match=rf"{name}.* ?{problem}"):
                reading(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        field_names(tmp_path)


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        (["a", "b"], closed(a={}, b={})),
        ({"a": "", "b": "number"}, closed(a={}, b={"type": "number"})),
        (
            {"items": [{"name": "string"}], "to": {"city": "string"}},
            closed(
                items={"type": "array", "items": closed(name={"type": "string"})},
                to=closed(city={"type": "string"}),
            ),
        ),
        (
            {"a": {"type": "string", "maxLength": 3}, "b": {"enum": [1, 2]}},
            closed(a={"type": "string", "maxLength": 3}, b={"enum": [1, 2]}),
        ),
        ({"type": "string", "title": ""}, closed(type={"type": "string"}, title={})),
    ],
)
def test_fields_become_a_schema_of_these_fields_and_no_others(plain, expected):
    assert json_schema(plain) == expected


def test_a_json_schema_says_itself_what_may_be_missing_or_come_beside():
    schema = {"properties": {"a": {}, "b": {}}, "required": ["a"], "additionalProperties": True}
    assert json_schema(schema) == {"type": "object", **schema}
    assert json_schema({"properties": {"a": {}}}) == closed(a={})
    for other in ({"anyOf": [{}]}, {"type": "array", "items": {}}, {"enum": [1]}):
        assert json_schema(other) == other


@pytest.mark.parametrize("plain", [3, {}, "text"])
def test_what_is_neither_fields_nor_a_schema_is_refused(plain, tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(
        UsageError, match=r"must be a JSON Schema, an object .*, or a list of names"
    ):
        json_schema(path)
