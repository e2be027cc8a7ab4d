"""Conversations as other engines take them: pictures opened here, reduced, clips as their frames.

    ours    {"type": "image", "image": ...}      {"type": "video", "video": ...}
    OpenAI  {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}

https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from triptych.engines.engine import cannot
from triptych.generate.structure import Choice, JsonSchema, Structure
from triptych.media import (
    Clip,
    NativeResizeConfig,
    Picture,
    as_data_uri,
    open_clip,
    open_image,
)
from triptych.pictures import ClipConfig
from triptych.processor import Message
from triptych.text import Part, check_messages
from triptych.text.messages import parts_of

CLIPS = ClipConfig(fps=1.0, max_frames=16)
"""What other engines are shown of a clip: they get its frames as pictures, one after the other."""

WritePicture = Callable[[Picture], dict[str, Any]]
"""A picture as a part of a message."""


def write_messages(
    messages: Sequence[Message], engine: str, max_pixels: int | None, write: WritePicture
) -> list[dict[str, Any]]:
    """The conversation with every picture written by `write`; other fields stay.

    Raises:
        TokenError: a message is malformed.
        MediaError: a picture or a clip cannot be opened.
        UsageError: a message holds a box or a point, which only a native model can write.
    """
    check_messages(messages)
    return [_message(message, engine, max_pixels, write) for message in messages]


def write_structure(structure: Structure | None) -> dict[str, Any]:
    """The form of an answer as fields of a request.

    A schema is OpenAI's own; expressions and choices are vLLM's, since 0.12.
    https://docs.vllm.ai/en/latest/features/structured_outputs/
    """
    if structure is None:
        return {}
    if isinstance(structure, JsonSchema):
        if structure.schema is True:
            return {"response_format": {"type": "json_object"}}
        named = {"name": "answer", "schema": structure.schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    if isinstance(structure, Choice):
        return {"structured_outputs": {"choice": list(structure.texts)}}
    return {"structured_outputs": {"regex": structure.pattern}}


def as_image_url(picture: Picture) -> dict[str, Any]:
    """A picture as OpenAI's part, all of it in the message."""
    return {"type": "image_url", "image_url": {"url": as_data_uri(picture.rgb)}}


def open_picture(source: object) -> Picture:
    """Open one picture, safely; one that is open stays as it is."""
    return source if isinstance(source, Picture) else open_image(source)


def open_frames(source: object, fps: float | None, max_frames: int | None) -> Clip:
    """Open one clip, safely, sampled as asked or as `CLIPS` says."""
    if not isinstance(source, Clip):
        fps = CLIPS.fps if fps is None else fps
        max_frames = CLIPS.max_frames if max_frames is None else max_frames
    return open_clip(source, fps=fps, max_frames=max_frames)


def reduced(picture: Picture, max_pixels: int | None) -> Picture:
    """The picture with at most this area."""
    if max_pixels is None or picture.width * picture.height <= max_pixels:
        return picture
    resize = NativeResizeConfig(factor=1, min_pixels=1, max_pixels=max_pixels)
    image, _ = resize.apply(picture)
    return Picture(image, image.width, image.height, picture.source)


def _message(
    message: Message, engine: str, max_pixels: int | None, write: WritePicture
) -> dict[str, Any]:
    content: Any = message["content"]
    if not isinstance(content, str):
        content = [
            written
            for part in parts_of(message)
            for written in _parts(part, engine, max_pixels, write)
        ]
    return {**message, "content": content}


def _parts(
    part: Part, engine: str, max_pixels: int | None, write: WritePicture
) -> list[Mapping[str, Any]]:
    kind = part["type"]
    if kind == "text":
        return [{"type": "text", "text": part["text"]}]
    if kind in ("box", "point"):
        raise cannot(engine, f"cannot write a {kind}", "describe the place in words")
    asked = part.get("max_pixels")
    most = max_pixels if asked is None else min(asked, max_pixels or asked)
    if kind == "image":
        return [write(reduced(open_picture(part["image"]), most))]
    clip = open_frames(part["video"], part.get("fps"), part.get("max_frames"))
    return [
        write(reduced(Picture(frame, frame.width, frame.height, clip.source), most))
        for frame in clip.frames
    ]
