"""Conversations as JSONL: one sample a line, in the form that chat APIs use.

    {"id": "7", "messages": [
        {"role": "user", "content": [{"type": "image", "image": "photos/7.jpg"},
                                     {"type": "text", "text": "What is on the table?"}]},
        {"role": "assistant", "content": "A bowl of pears."}]}

Picture paths are relative to the JSONL file. `{"type": "image_url", "image_url": {"url": ...}}`
is read as the same thing. Other keys beside `id` and `messages` are kept in `extra`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from triptych.data.ledger import Ledger, check_share
from triptych.data.sources.lines import read_lines
from triptych.errors import DataError, nearest

ROLES = ("system", "user", "assistant")
_PART_KEYS = {"text": "text", "image": "image", "image_url": "image_url"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: who said what about which pictures."""

    sample_id: str
    messages: tuple[Mapping[str, Any], ...]
    """As the processor takes them; an image part holds the absolute path of its picture, or the
    data URI as it was written."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Everything else on the line, such as a category to count scores by."""


def read_messages(path: Path, *, tolerate: float = 0.0) -> tuple[list[Conversation], Ledger]:
    """The conversations of a JSONL file, in its order.

    `tolerate` is the share of the lines that may be bad; those go to the ledger.

    Raises:
        DataError: the file is missing, or a line is bad (with `tolerate`: too many are). The
            message names file and line, what is wrong and what to do.
    """
    check_share(tolerate)
    ledger = Ledger(str(path))
    conversations: list[Conversation] = []
    places: dict[str, str] = {}
    for place, line in read_lines(path, "one JSON object a line"):
        try:
            conversation = _read_line(line, path.resolve().parent)
            _check_new(conversation.sample_id, places)
        except _BadLine as error:
            if tolerate == 0.0:
                raise DataError(f"{place}: {error.problem}; {error.cure}") from error
            ledger.leave_out(place, error.kind, error.problem)
            continue
        places[conversation.sample_id] = place
        conversations.append(conversation)
        ledger.keep()
    ledger.stop_above(tolerate)
    if not conversations:
        raise DataError(f"{path} holds no conversation; write one JSON object a line")
    return conversations, ledger


class _BadLine(Exception):
    """What is wrong with a line and how to mend it; the caller knows the place."""

    def __init__(self, kind: str, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.cure = cure


def _read_line(line: str, folder: Path) -> Conversation:
    try:
        read: object = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        at = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _BadLine(
            "invalid JSON",
            f"this is not valid JSON{at}",
            "write one complete JSON object on the line",
        ) from error
    sample = _mapping(read, "the line", '{"id": ..., "messages": [...]}')
    _require(sample, ("id", "messages"), "the line")
    sample_id = sample["id"]
    if isinstance(sample_id, bool) or not isinstance(sample_id, str | int) or sample_id == "":
        raise _BadLine("bad id", f"id is {sample_id!r}", "write a text or a whole number")
    messages = [
        _message(message, f"messages[{index}]", folder)
        for index, message in enumerate(_filled_list(sample["messages"], "messages"))
    ]
    extra = {key: value for key, value in sample.items() if key not in ("id", "messages")}
    return Conversation(str(sample_id), tuple(messages), extra)


def _check_new(sample_id: str, places: Mapping[str, str]) -> None:
    if sample_id in places:
        raise _BadLine(
            "repeated id",
            f"id {sample_id!r} is already taken by {places[sample_id]}",
            "give every sample an id of its own",
        )


def _message(value: object, where: str, folder: Path) -> Mapping[str, Any]:
    message = _mapping(value, where, '{"role": ..., "content": ...}')
    _require(message, ("role", "content"), where)
    _refuse_others(message, ("role", "content"), where)
    role = message["role"]
    if not isinstance(role, str) or role not in ROLES:
        raise _BadLine(
            "unknown role",
            f"{where} has the role {role!r}; {nearest(str(role), ROLES)}",
            f"use one of {', '.join(ROLES)}",
        )
    content = message["content"]
    if isinstance(content, str):
        return {"role": role, "content": _filled_text(content, f"{where}.content")}
    parts = [
        _part(part, f"{where}.content[{index}]", folder)
        for index, part in enumerate(_filled_list(content, f"{where}.content"))
    ]
    return {"role": role, "content": parts}


def _part(value: object, where: str, folder: Path) -> Mapping[str, Any]:
    part = _mapping(value, where, '{"type": "text", "text": ...}')
    _require(part, ("type",), where)
    kind = part["type"]
    if not isinstance(kind, str) or kind not in _PART_KEYS:
        raise _BadLine(
            "unknown part type",
            f"{where} has the type {kind!r}; {nearest(str(kind), _PART_KEYS)}",
            f"use one of {', '.join(_PART_KEYS)}",
        )
    key = _PART_KEYS[kind]
    _require(part, (key,), where)
    _refuse_others(part, ("type", key), where)
    if kind == "text":
        return {"type": "text", "text": _filled_text(part["text"], f"{where}.text")}
    source = part[key]
    if kind == "image_url":
        holder = _mapping(source, f"{where}.image_url", '{"url": ...}')
        _require(holder, ("url",), f"{where}.image_url")
        source = holder["url"]
    return {"type": "image", "image": _picture(source, where, folder)}


def _picture(source: object, where: str, folder: Path) -> Path | str:
    name = _filled_text(source, where)
    if name.startswith("data:"):
        return name
    if name.startswith(("http://", "https://")):
        raise _BadLine(
            "picture on the web",
            f"{where} names {name}, and training does not fetch from the web",
            "download the picture and write its path",
        )
    path = folder / name.removeprefix("file://")
    if not path.is_file():
        raise _BadLine(
            "picture file missing",
            f"{where} names {name}, but there is no file {path}",
            "put the picture there, or write its path relative to the JSONL file",
        )
    return path


def _mapping(value: object, where: str, form: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _BadLine(
            "wrong shape", f"{where} is {_kind(value)}, not an object", f"write it as {form}"
        )
    return cast(Mapping[str, Any], value)


def _filled_list(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise _BadLine("wrong shape", f"{where} is {_kind(value)}, not a list", "write a list")
    if not value:
        raise _BadLine("empty content", f"{where} is empty", "fill it or remove the line")
    return cast(Sequence[object], value)


def _filled_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _BadLine("wrong shape", f"{where} is {_kind(value)}, not a text", "write a text")
    if not value.strip():
        raise _BadLine("empty content", f"{where} is empty", "fill it or remove the line")
    return value


def _require(value: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in keys:
        if key not in value:
            raise _BadLine("missing key", f"{where} has no {key!r}", f"add the key {key!r}")


def _refuse_others(value: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in value:
        if key not in keys:
            raise _BadLine(
                "unknown key",
                f"{where} has the unknown key {key!r}; {nearest(key, keys)}",
                "rename or remove it",
            )


def _kind(value: object) -> str:
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
