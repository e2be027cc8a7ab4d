"""What servers say: events of a stream, how likely tokens were, and what is wrong.

Of what is odd at the edges nothing is made; an answer stays an answer.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from triptych.engines.engine import Alternative

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


def told_log_probabilities(told: Sequence[Any]) -> list[float]:
    """Of the tokens that a piece of an answer holds; none where the server does not tell."""
    values = [as_group(each).get("logprob") for each in told]
    return [float(value) for value in values if isinstance(value, int | float)]


def told_alternatives(told: Any) -> tuple[Alternative, ...]:
    """Tokens that might have come in the place of one; none where the server does not tell."""
    named = map(as_group, as_list(as_group(told).get("top_logprobs")))
    found = [
        Alternative(str(each.get("token", "")), float(each["logprob"]))
        for each in named
        if isinstance(each.get("logprob"), int | float)
    ]
    return tuple(sorted(found, key=lambda each: -each.log_probability))


def is_named(name: str, text: str) -> bool:
    """Whether a text names a field, and not only one whose name holds it."""
    return re.search(rf"\b{name}\b", text) is not None


def told_count(usage: Mapping[str, Any], name: str) -> int | None:
    """How many tokens an answer or its prompt had; None where the server does not tell."""
    value = usage.get(name)
    return value if isinstance(value, int) else None


def as_group(value: object) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """A JSON list; an empty one for anything else."""
    return cast(list[Any], value) if isinstance(value, list) else []
