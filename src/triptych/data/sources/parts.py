"""Messages of a file, checked part by part, in the form that the processor takes.

    {"type": "text", "text": "What is this?"}
    {"type": "image", "image": "photos/7.jpg"}          also "image_url": {"url": ...}
    {"type": "video", "video": "clips/7.mp4"}           or a folder of frames
    {"type": "box", "box": [left, top, right, bottom]}  in pixels of the original picture
    {"type": "point", "point": [x, y]}                  likewise

An image or a video may have `min_pixels` and `max_pixels`, a video also `fps`, `max_frames` and
`source_fps`; a box or a point may have a `label` and the number of its `image`, 0 the first.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.data.sources.conversation import BadSample, Message
from triptych.data.sources.fields import (
    filled_list,
    filled_text,
    mapping,
    numbers,
    refuse_others,
    require,
)
from triptych.errors import nearest

ROLES = ("system", "user", "assistant")

_OPTIONS = {
    "text": (),
    "image": ("min_pixels", "max_pixels"),
    "image_url": (),
    "video": ("min_pixels", "max_pixels", "fps", "max_frames", "source_fps"),
    "box": ("label", "image"),
    "point": ("label", "image"),
}
"""What a part of each type may say beside what it is."""

_BOX_SIDES, _POINT_SIDES = 4, 2

Find = Callable[[str, str], object]
"""The picture of a name, which a part at a place gives."""


def read_message(value: object, where: str, find: Find) -> Message:
    """One message; `where` is its place in the sample, `find` gives the picture of a name."""
    message = mapping(value, where, '{"role": ..., "content": ...}')
    require(message, ("role", "content"), where)
    refuse_others(message, ("role", "content"), where)
    role = message["role"]
    if not isinstance(role, str) or role not in ROLES:
        raise BadSample(
            "unknown role",
            f"{where} has the role {role!r}; {nearest(str(role), ROLES)}",
            f"use one of {', '.join(ROLES)}",
        )
    content = message["content"]
    if isinstance(content, str):
        return {"role": role, "content": filled_text(content, f"{where}.content")}
    parts = [
        _part(part, f"{where}.content[{index}]", find)
        for index, part in enumerate(filled_list(content, f"{where}.content"))
    ]
    return {"role": role, "content": parts}


def check_places(messages: Sequence[Message], where: str) -> None:
    """Refuse boxes and points in pictures that the conversation does not have."""
    parts = [part for message in messages for part in _parts(message)]
    num_pictures = sum(part["type"] in ("image", "video") for part in parts)
    for part in parts:
        index = part.get("image", 0) if part["type"] in ("box", "point") else None
        if index is not None and not 0 <= index < num_pictures:
            raise BadSample(
                "place without a picture",
                f"{where} has a {part['type']} in picture {index}, of {num_pictures}",
                "count the pictures from 0 under 'image'",
            )


def local_file(folder: Path, allow_folder: bool = False) -> Find:
    """Pictures by their path relative to a folder; data URIs as they are written."""

    def find(name: str, where: str) -> Path | str:
        if name.startswith("data:"):
            return name
        if name.startswith(("http://", "https://")):
            raise BadSample(
                "picture on the web",
                f"{where} names {name}, and training does not fetch from the web",
                "download the picture and write its path",
            )
        path = folder / name.removeprefix("file://")
        if not (path.is_file() or (allow_folder and path.is_dir())):
            raise BadSample(
                "picture file missing",
                f"{where} names {name}, but there is no file {path}",
                "put the picture there, or write its path relative to the JSONL file",
            )
        return path

    return find


def _parts(message: Message) -> Sequence[Mapping[str, Any]]:
    return () if isinstance(message["content"], str) else message["content"]


def _part(value: object, where: str, find: Find) -> Mapping[str, Any]:
    part = mapping(value, where, '{"type": "text", "text": ...}')
    require(part, ("type",), where)
    kind = part["type"]
    if not isinstance(kind, str) or kind not in _OPTIONS:
        raise BadSample(
            "unknown part type",
            f"{where} has the type {kind!r}; {nearest(str(kind), _OPTIONS)}",
            f"use one of {', '.join(_OPTIONS)}",
        )
    require(part, (kind,), where)
    refuse_others(part, ("type", kind, *_OPTIONS[kind]), where)
    options = {key: part[key] for key in _OPTIONS[kind] if key in part}
    match kind:
        case "text":
            return {"type": "text", "text": filled_text(part["text"], f"{where}.text")}
        case "image_url":
            holder = mapping(part[kind], f"{where}.image_url", '{"url": ...}')
            require(holder, ("url",), f"{where}.image_url")
            return {"type": "image", "image": _picture(holder["url"], where, find)}
        case "image" | "video":
            _check_numbers(options, where)
            return {"type": kind, kind: _picture(part[kind], where, find), **options}
        case _:
            _check_label(options, where)
            return {"type": kind, kind: _place(kind, part[kind], where), **options}


def _picture(source: object, where: str, find: Find) -> object:
    return find(filled_text(source, where), where)


def _place(kind: str, value: object, where: str) -> list[float]:
    read = numbers(value, _BOX_SIDES if kind == "box" else _POINT_SIDES, f"{where}.{kind}")
    if kind == "box" and not (read[0] <= read[2] and read[1] <= read[3]):
        raise BadSample(
            "box the wrong way round",
            f"{where}.box is {read}, with its right left of its left or its bottom above its top",
            "write left, top, right, bottom",
        )
    return read


def _check_numbers(options: Mapping[str, Any], where: str) -> None:
    for key, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise BadSample("wrong shape", f"{where}.{key} is {value!r}", "write a number above 0")


def _check_label(options: Mapping[str, Any], where: str) -> None:
    label, image = options.get("label", ""), options.get("image", 0)
    if not isinstance(label, str):
        raise BadSample("wrong shape", f"{where}.label is {label!r}", "write a text")
    if isinstance(image, bool) or not isinstance(image, int):
        raise BadSample(
            "wrong shape", f"{where}.image is {image!r}", "write the picture's number, 0 the first"
        )
