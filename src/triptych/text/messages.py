"""Conversations as people write them down: OpenAI-style messages, checked before use."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from triptych.errors import TokenError

Message: TypeAlias = Mapping[str, Any]
"""`role` and `content`: a text, or a list of parts."""

Part: TypeAlias = Mapping[str, Any]
"""`type`, and under the same name as the type what it is: a text, an image, a video..."""

PARTS = ("text", "image", "video", "box", "point")

ROLES = ("system", "user", "assistant", "tool")


def check_messages(messages: Sequence[Message]) -> None:
    """Refuse malformed conversations, naming the message and the cure.

    Raises:
        TokenError: no messages, an unknown role, or content of another form.
    """
    if isinstance(messages, str | bytes | Mapping) or not messages:
        raise TokenError(
            "a conversation is a list of at least one message; give "
            '[{"role": "user", "content": ...}]'
        )
    for number, message in enumerate(messages, start=1):
        _check_message(message, number)


def parts_of(message: Message) -> Sequence[Part]:
    """The content of a checked message as a list of parts, whichever way it was written."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _check_message(message: object, number: int) -> None:
    if not isinstance(message, Mapping):
        raise TokenError(f"message {number} is {type(message).__name__}; give role and content")
    fields = cast(Mapping[object, object], message)
    if fields.get("role") not in ROLES:
        role = reprlib.repr(fields.get("role"))
        raise TokenError(f"message {number} has role {role}; use one of {', '.join(ROLES)}")
    content = fields.get("content")
    if isinstance(content, str):
        return
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray):
        raise TokenError(
            f"message {number} has content {type(content).__name__}; give a text or a list of parts"
        )
    for part in cast(Sequence[object], content):
        if not _is_part(part):
            raise TokenError(
                f"message {number} has the part {reprlib.repr(part)}; a part is "
                '{"type": "text", "text": ...} or {"type": "image", "image": ...}; '
                f"the types are {', '.join(PARTS)}"
            )


def _is_part(part: object) -> bool:
    if not isinstance(part, Mapping):
        return False
    fields = cast(Mapping[object, object], part)
    if fields.get("type") == "text":
        return isinstance(fields.get("text"), str)
    return fields.get("type") in PARTS and fields["type"] in fields
