"""What servers say: events of a stream, and what is wrong."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

_SHOWN = 300
"""Characters of a server's words that a message shows."""


def events(lines: Iterable[str]) -> Iterator[str]:
    """The data of server-sent events, several lines of one event joined.

    Comments, names and numbers of events are passed over, and what no empty line ends is dropped.
    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    data: list[str] = []
    for line in lines:
        line = line.rstrip("\r\n")
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


def spoken(content: bytes) -> str:
    """What a server says in the body of an error, in the forms that servers have; shortened."""
    text = content.decode(errors="replace")
    try:
        plain: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip()[:1] == "<" else shorten(text)  # a web page says little
    for key in ("error", "detail", "message"):
        if isinstance(plain, dict):
            fields = cast(dict[str, Any], plain)
            plain = fields.get(key, plain)
    return shorten(plain if isinstance(plain, str) else json.dumps(plain))


def shorten(text: str, most: int = _SHOWN) -> str:
    """On one line, printable, and not longer than `most` characters."""
    clean = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"
