"""JSON schemas as the grammar library takes them: nothing in them is passed over.

A keyword that would be ignored is refused with its place in the schema, and patterns keep Python's
meaning.

JSON Schema 2020-12: https://json-schema.org/draft/2020-12
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, cast

from triptych.errors import UsageError, nearest

_SCHEMA = ("additionalProperties", "items")
_SCHEMAS = ("prefixItems", "anyOf", "oneOf", "allOf")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_PLAIN = (
    *("type", "enum", "const", "$ref", "required", "minProperties", "maxProperties"),
    *("minItems", "maxItems", "minLength", "maxLength", "pattern", "format"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
)
_REMARKS = (
    *("$schema", "$id", "$anchor", "$comment", "title", "description", "default", "examples"),
    *("deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"),
)
SUPPORTED = (*_SCHEMA, *_SCHEMAS, *_NAMED, *_PLAIN, *_REMARKS)
"""Keywords that are obeyed, and those that only remark on a value."""

_UNSUPPORTED = (
    *("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "propertyNames"),
    *("contains", "minContains", "maxContains", "uniqueItems", "additionalItems"),
    *("unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$dynamicAnchor"),
    *("contentSchema", "dependencies", "$recursiveRef", "$recursiveAnchor", "$vocabulary"),
)

FORMATS = (
    *("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"),
)
"""Values of `format` that are obeyed."""

Schema = Mapping[str, Any] | bool


def checked(schema: Schema, path: str = "#") -> Any:
    """A copy of the schema with its patterns translated.

    Raises:
        UsageError: a keyword, format or pattern in it is not supported, or is none.
    """
    if isinstance(schema, bool):
        return schema
    for key in schema:
        _check_keyword(key, path)
    if schema.get("format", "date") not in FORMATS:
        raise UsageError(
            f"the format {schema['format']!r} at {path}/format of the schema is not supported; "
            f"leave it out, or take one of {', '.join(FORMATS)}"
        )
    return {key: _checked_value(key, value, f"{path}/{key}") for key, value in schema.items()}


def subschemas(schema: Schema, path: str = "#") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema within a schema, and itself, with its place; the innermost first."""
    if isinstance(schema, bool):
        return
    for key, value in schema.items():
        for name, inner in _inner(key, value):
            yield from subschemas(inner, f"{path}/{key}{name}")
    yield path, schema


def translated(pattern: str) -> str:
    """A regular expression of Python's `re` in the words of the grammar library's.

    Raises:
        UsageError: it is none, or says something that the library does not know.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of brackets in a class, which mean more elsewhere
            re.compile(pattern)
    except (re.error, Warning, OverflowError, RecursionError) as error:
        raise UsageError(
            f"the regular expression {pattern!r} is not one ({error}); correct it"
        ) from error
    return _PIECES.sub(_translated_piece, pattern)


_PIECES = re.compile(
    r"\\."  # an escape
    r"|\[\^?\]?(?:\\.|[^\\\]])*\]"  # a class of characters
    r"|[*+?}]\+"  # a repetition that gives nothing back
    r"|\{,(?=\d+\})"  # at most so many
    r"|[/\n]",
    re.DOTALL,
)
_MEANINGS = {
    r"\w": r"[\p{L}\p{N}_]",  # there combining marks belong to words, too
    r"\W": r"[^\p{L}\p{N}_]",
    r"\s": r"[\s\x1c-\x1f]",
    r"\S": r"[^\s\x1c-\x1f]",
    r"\Z": r"\z",
    "{,": "{0,",
    "/": r"\/",
    "\n": r"\n",
}
"""What means something else there, or nothing."""


def _translated_piece(found: re.Match[str]) -> str:
    piece = found[0]
    if len(piece) == 2 and piece[1] == "+" and piece[0] != "\\":
        raise UsageError(
            f"the regular expression {found.string!r} has a possessive {piece!r}, which is not "
            "supported; leave out the second sign"
        )
    if piece[0] == "[":
        return re.sub(
            r"\\.|[/\n]", lambda inner: _MEANINGS.get(inner[0], inner[0]), piece, flags=re.DOTALL
        )
    return _MEANINGS.get(piece, piece)


def _check_keyword(key: str, path: str) -> None:
    if key in SUPPORTED:
        return
    if key in _UNSUPPORTED:
        raise UsageError(
            f"the keyword {key!r} at {path} of the schema is not supported; leave it out and "
            "check the answer yourself, or say it with other keywords"
        )
    raise UsageError(
        f"{key!r} at {path} of the schema is no keyword of JSON Schema; {nearest(key, SUPPORTED)}"
    )


def _checked_value(key: str, value: Any, path: str) -> Any:
    if key in (*_SCHEMA, *_SCHEMAS, *_NAMED):
        _check_shape(key, value, path)
    if key == "pattern" and isinstance(value, str):
        return translated(value)
    if key in _SCHEMA:
        return checked(value, path)
    if key in _SCHEMAS:
        return [checked(each, f"{path}/{index}") for index, each in enumerate(value)]
    if key in _NAMED:
        named = cast(dict[str, Any], value)
        return {
            translated(name) if key == "patternProperties" else name: checked(
                each, f"{path}/{name}"
            )
            for name, each in named.items()
        }
    return value


def _check_shape(key: str, value: Any, path: str) -> None:
    """Refuse what is no schema where one must stand."""
    is_fit = isinstance(value, list if key in _SCHEMAS else Mapping)
    is_fit = is_fit or (key in _SCHEMA and isinstance(value, bool))
    if is_fit and all(isinstance(inner, Mapping | bool) for _, inner in _inner(key, value)):
        return
    wish = "a list of schemas" if key in _SCHEMAS else "a schema or schemas by name"
    raise UsageError(f"{path} of the schema must be {wish}, got {value!r:.60}; correct it")


def _inner(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schemas within a keyword's value, each with the rest of its place."""
    if key in _SCHEMA:
        yield "", value
    elif key in _SCHEMAS:
        yield from ((f"/{index}", each) for index, each in enumerate(value))
    elif key in _NAMED:
        yield from ((f"/{name}", each) for name, each in value.items())
