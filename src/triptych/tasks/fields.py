"""What a person wants to read, in the ways people write it, as a JSON Schema.

["store", "total"]                          names: every value may be anything
{"store": "string", "total": "number"}      fields with the kinds of their values
{"items": [{"name": "", "price": 0}]}       fields within fields, and lists
{"type": "object", "properties": ...}       a JSON Schema
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from triptych.errors import UsageError

Schema: TypeAlias = str | Path | Mapping[str, Any] | Sequence[str]
"""A JSON file, a mapping with the wanted fields as keys, a JSON Schema, or the names themselves."""

_KINDS = ("string", "number", "integer", "boolean", "object", "array", "null")
_MARKS = ("$schema", "$ref", "properties", "anyOf", "oneOf", "allOf", "enum", "const")
"""Keys that make a mapping a JSON Schema."""


def field_names(schema: Schema) -> tuple[str, ...]:
    """The names of the fields that a schema asks for, in its order.

    Raises:
        UsageError: the file is missing or no JSON, or the schema names no field.
    """
    plain = _plain(schema)
    if isinstance(plain, Mapping):
        fields = cast(Mapping[str, Any], plain)
        inner = fields.get("properties")
        plain = list(cast(Mapping[str, Any], inner) if isinstance(inner, Mapping) else fields)
    names = cast(Sequence[object], plain) if isinstance(plain, list | tuple) else ()
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(
            "the schema names no fields; give a JSON object with the fields as keys, a JSON "
            f"Schema with properties, or a list of names, not {schema!r:.60}"
        )
    return tuple(cast(Sequence[str], names))


def json_schema(schema: Schema) -> dict[str, Any]:
    """A schema as JSON Schema, with its fields and no others.

    A JSON Schema that does not say which of its fields may be missing or which others may come is
    taken to mean: none.

    Raises:
        UsageError: the file is missing or no JSON, or it is neither a schema nor names fields.
    """
    plain = _plain(schema)
    if isinstance(plain, list | tuple):
        plain = dict.fromkeys(field_names(cast(Sequence[str], plain)))
    if not isinstance(plain, Mapping) or not plain:
        raise UsageError(
            "the schema must be a JSON Schema, an object with the fields as keys, or a list of "
            f"names, not {plain!r:.60}"
        )
    given = cast(Mapping[str, Any], plain)
    return _closed(given) if _is_json_schema(given) else _fields(given)


def _is_json_schema(plain: Mapping[str, Any]) -> bool:
    return any(mark in plain for mark in _MARKS) or plain.get("type") in ("object", "array")


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return dict(schema)
    names = list(cast(Mapping[str, Any], properties))
    return {"type": "object", "required": names, "additionalProperties": False, **schema}


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: _value(value) for name, value in values.items()}
    return _closed({"properties": properties})


def _value(example: object) -> dict[str, Any]:
    """What a field may hold: the kind that is named or shown; anything where none is."""
    if isinstance(example, str) and example in _KINDS:
        return {"type": example}
    if isinstance(example, Mapping) and example:
        inner = cast(Mapping[str, Any], example)
        is_schema = _is_json_schema(inner) or inner.get("type") in _KINDS
        return dict(inner) if is_schema else _fields(inner)
    if isinstance(example, list) and example:
        return {"type": "array", "items": _value(cast(list[object], example)[0])}
    return {}


def _plain(schema: Schema) -> object:
    return _from_file(Path(schema)) if isinstance(schema, str | Path) else schema


def _from_file(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the schema {path} cannot be read ({error.strerror}); check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the schema {path} is not JSON ({error}); correct the file") from error
