"""Fields of what was parsed from JSON, checked; what is wrong with one is a `BadSample`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from triptych.data.sources.conversation import BadSample
from triptych.errors import nearest


def mapping(value: object, where: str, form: str) -> Mapping[str, Any]:
    """An object; `form` shows how it is written."""
    if not isinstance(value, dict):
        raise BadSample(
            "wrong shape", f"{where} is {kind_of(value)}, not an object", f"write it as {form}"
        )
    return cast(Mapping[str, Any], value)


def filled_list(value: object, where: str) -> Sequence[object]:
    """A list that is not empty."""
    if not isinstance(value, list):
        raise BadSample("wrong shape", f"{where} is {kind_of(value)}, not a list", "write a list")
    if not value:
        raise BadSample("empty content", f"{where} is empty", "fill it or remove the sample")
    return cast(Sequence[object], value)


def filled_text(value: object, where: str) -> str:
    """A text that is not blank, as it is written."""
    if not isinstance(value, str):
        raise BadSample("wrong shape", f"{where} is {kind_of(value)}, not a text", "write a text")
    if not value.strip():
        raise BadSample("empty content", f"{where} is empty", "fill it or remove the sample")
    return value


def name_of(value: object, where: str) -> str:
    """A text or a whole number that names something, as a text."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise BadSample("bad id", f"{where} is {value!r}", "write a text or a whole number")
    return str(value)


def whole_number(value: object, where: str) -> int:
    """A whole number, also one in quotes."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadSample("wrong shape", f"{where} is {value!r}", "write a whole number")
    return value


def numbers(value: object, count: int, where: str) -> list[float]:
    """A list of so many finite numbers."""
    listed = cast(Sequence[object], value) if isinstance(value, list | tuple) else ()
    read = [
        float(each)
        for each in listed
        if isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each)
    ]
    if len(read) != count or len(listed) != count:
        raise BadSample(
            "wrong shape", f"{where} is {value!r:.60}", f"write a list of {count} numbers"
        )
    return read


def require(value: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Refuse an object that lacks a key."""
    for key in keys:
        if key not in value:
            raise BadSample("missing key", f"{where} has no {key!r}", f"add the key {key!r}")


def field_of(value: Mapping[str, Any], key: str, where: str) -> Any:
    """What stands under a key that must be there."""
    require(value, (key,), where)
    return value[key]


def refuse_others(value: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Refuse an object with keys beside these."""
    for key in value:
        if key not in keys:
            raise BadSample(
                "unknown key",
                f"{where} has the unknown key {key!r}; {nearest(key, keys)}",
                "rename or remove it",
            )


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"
