"""LLaVA's conversations: a JSON list (or JSONL) of turns with `<image>` where a picture stands.

    [{"id": "000000033471", "image": "coco/train2017/000000033471.jpg", "conversations": [
        {"from": "human", "value": "<image>\\nWhat are the colors of the bus in the image?"},
        {"from": "gpt", "value": "The bus in the image is white and red."}]}]

`image` may be a list, one picture a marker, and is absent where a sample is text alone; clips are
likewise `video` and `<video>`. The line break beside a marker is the template's business and is
left out; boxes that are written as text stay text. Ids repeat in the published mixtures, so the
second sample of an id is called `id#2`.

Format: https://github.com/haotian-liu/LLaVA/blob/main/docs/Finetune_Custom_Data.md
Data: https://huggingface.co/datasets/liuhaotian/LLaVA-Instruct-150K
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from triptych.data.sources.conversation import (
    BadSample,
    Collected,
    Conversation,
    Message,
    Reading,
)
from triptych.data.sources.fields import (
    field_of,
    filled_list,
    filled_text,
    mapping,
    name_of,
    require,
)
from triptych.data.sources.json_files import PictureFolder, read_entries
from triptych.data.sources.messages import parse_line
from triptych.data.sources.parts import Find
from triptych.errors import nearest

_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "system": "system",
    "user": "user",
    "assistant": "assistant",
}
_MARKERS = {"<image>": "image", "<video>": "video"}
_NAMES = {"image": ("image", "images"), "video": ("video", "videos")}
_MARKER = re.compile(f"({'|'.join(_MARKERS)})")


@dataclass(frozen=True, kw_only=True, slots=True)
class LlavaSource:
    """Conversations as LLaVA was tuned on."""

    path: str
    """The JSON or JSONL file."""

    images: str
    """Folder that the pictures' paths are relative to."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The conversations in the order of the file; paths are relative to `root`.

        Raises:
            DataError: the file cannot be read, or too many of its samples cannot be used.
        """
        path, find = root / self.path, PictureFolder(root / self.images).find
        collected = Collected(path, self.tolerate)
        for place, entry in read_entries(path, "LLaVA conversations"):
            collected.add(place, partial(_read_entry, entry, place, find))
        return collected.finish()


def _read_entry(entry: object, place: str, find: Find) -> Conversation:
    value = parse_line(entry) if isinstance(entry, str) else entry
    sample = mapping(value, "the sample", '{"id": ..., "image": ..., "conversations": [...]}')
    sample_id = name_of(sample.get("id", place), "id")
    known = {"id", "conversations", *(name for names in _NAMES.values() for name in names)}
    extra = {key: value for key, value in sample.items() if key not in known}
    return Conversation(sample_id, llava_messages(sample, find), extra)


def llava_messages(sample: Mapping[str, Any], find: Find) -> tuple[Message, ...]:
    """The turns of one sample, its pictures and clips where the markers stand."""
    pictures = {kind: iter(_named(sample, kind, find)) for kind in _NAMES}
    turns = filled_list(field_of(sample, "conversations", "the sample"), "conversations")
    messages = tuple(
        _read_turn(turn, f"conversations[{index}]", pictures) for index, turn in enumerate(turns)
    )
    for kind, left in pictures.items():
        if num_left := len(list(left)):
            raise BadSample(
                "picture slots that do not fit",
                f"the sample names {num_left} more under {kind!r} than its text has <{kind}>",
                f"write <{kind}> where each stands",
            )
    if not any(message["role"] == "assistant" for message in messages):
        raise BadSample("no answer", "no turn is from gpt", "add the answer")
    return messages


def _named(sample: Mapping[str, Any], kind: str, find: Find) -> Sequence[object]:
    for key in _NAMES[kind]:
        value = sample.get(key)
        if value is None:
            continue
        names = cast(Sequence[object], value) if isinstance(value, list) else [value]
        return [find(filled_text(name, key), key) for name in names]
    return ()


def _read_turn(turn: object, where: str, pictures: Mapping[str, Iterator[object]]) -> Message:
    said = mapping(turn, where, '{"from": "human", "value": ...}')
    require(said, ("from", "value"), where)
    role = said["from"]
    if not isinstance(role, str) or role not in _ROLES:
        raise BadSample(
            "unknown role",
            f"{where} is from {role!r}; {nearest(str(role), _ROLES)}",
            "use human, gpt or system",
        )
    text = filled_text(said["value"], f"{where}.value")
    parts = [
        {"type": _MARKERS[piece], _MARKERS[piece]: _next(pictures[_MARKERS[piece]], piece, where)}
        if piece in _MARKERS
        else {"type": "text", "text": piece}
        for piece in _pieces(text)
    ]
    is_text = len(parts) == 1 and parts[0]["type"] == "text"
    return {"role": _ROLES[role], "content": parts[0]["text"] if is_text else parts}


def _pieces(text: str) -> Iterator[str]:
    """Markers, and what is written between them without the line break beside a marker."""
    pieces = _MARKER.split(text)
    for index, piece in enumerate(pieces):
        if piece in _MARKERS:
            yield piece
            continue
        piece = piece.removeprefix("\n") if index > 0 else piece
        piece = piece.removesuffix("\n") if index + 1 < len(pieces) else piece
        if piece.strip():
            yield piece


def _next(pictures: Iterator[object], marker: str, where: str) -> object:
    picture = next(pictures, None)
    if picture is None:
        raise BadSample(
            "picture slots that do not fit",
            f"{where} has a {marker} without a picture under {_MARKERS[marker]!r}",
            "name one picture for each marker",
        )
    return picture
