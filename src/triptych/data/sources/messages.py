"""Conversations as JSONL: one sample a line, in the form that chat APIs use.

    {"id": "7", "messages": [
        {"role": "user", "content": [{"type": "image", "image": "photos/7.jpg"},
                                     {"type": "text", "text": "What is on the table?"}]},
        {"role": "assistant", "content": "A bowl of pears."}]}

Picture paths are relative to the JSONL file. What else a part may be is in `parts`. Other keys
beside `id` and `messages` are kept in `extra`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from triptych.data.ledger import Ledger
from triptych.data.sources.conversation import BadSample, Collected, Conversation, Reading
from triptych.data.sources.fields import filled_list, mapping, name_of, require
from triptych.data.sources.lines import read_lines
from triptych.data.sources.parts import check_places, local_file, read_message


@dataclass(frozen=True, kw_only=True, slots=True)
class MessagesSource:
    """Conversations in a JSONL file, as chat APIs take them."""

    path: str
    """The file."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The conversations in the order of the file; paths are relative to `root`."""
        return read_messages(root / self.path, tolerate=self.tolerate)


def read_messages(path: Path, *, tolerate: float = 0.0) -> tuple[list[Conversation], Ledger]:
    """The conversations of a JSONL file, in its order.

    `tolerate` is the share of the lines that may be bad; those go to the ledger.

    Raises:
        DataError: the file is missing, or a line is bad (with `tolerate`: too many are). The
            message names file and line, what is wrong and what to do.
    """
    collected = Collected(path, tolerate)
    places: dict[str, str] = {}
    for place, line in read_lines(path, "one JSON object a line"):
        collected.add(place, partial(_read_line, line, place, path.resolve().parent, places))
    return collected.finish()


def _read_line(line: str, place: str, folder: Path, places: dict[str, str]) -> Conversation:
    sample = mapping(parse_line(line), "the line", '{"id": ..., "messages": [...]}')
    require(sample, ("id", "messages"), "the line")
    sample_id = name_of(sample["id"], "id")
    messages = [
        read_message(message, f"messages[{index}]", local_file(folder, allow_folder=True))
        for index, message in enumerate(filled_list(sample["messages"], "messages"))
    ]
    check_places(messages, "the line")
    _check_new(sample_id, places)
    places[sample_id] = place
    extra = {key: value for key, value in sample.items() if key not in ("id", "messages")}
    return Conversation(sample_id, tuple(messages), extra)


def parse_line(line: str) -> object:
    """The JSON value of a line."""
    try:
        return json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        at = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadSample(
            "invalid JSON",
            f"this is not valid JSON{at}",
            "write one complete JSON object on the line",
        ) from error


def _check_new(sample_id: str, places: Mapping[str, str]) -> None:
    if sample_id in places:
        raise BadSample(
            "repeated id",
            f"id {sample_id!r} is already taken by {places[sample_id]}",
            "give every sample an id of its own",
        )
