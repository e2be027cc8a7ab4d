"""Random conversations: turns, system prompts, pictures anywhere, and texts of all kinds."""

import random
from collections.abc import Callable, Sequence

from tests.laws.debug_models import picture

from triptych.processor import Message

_SCRAPS = (
    *("what is it?", "a red circle", "the blue square", "hello", "12,345.6", "don't", "I'm"),
    *(" ", "  ", "\n", "\n\n", "\t", "e\u0301", "\u00e9", "\u4f60\u597d", "\U0001f600", "\u200b"),
    *("{}", "{{ x }}", "{% if %}", "<b>", "</s", "a" * 40, "...", "\u2014", "'\""),
)


def random_conversation(seed: int, scraps: Sequence[str] = ()) -> list[Message]:
    """One that a seed decides; `scraps` are further texts that people may write."""
    draw = random.Random(seed)
    known = [*_SCRAPS, *scraps]

    def text() -> str:
        return "".join(draw.choice(known) for _ in range(draw.randint(1, 6)))

    messages: list[Message] = []
    if draw.random() < 0.3:
        messages.append({"role": "system", "content": text()})
    for turn in range(draw.randint(1, 3)):
        if turn:
            messages.append({"role": "assistant", "content": text()})
        parts: list[dict[str, object]] = [{"type": "text", "text": text()}]
        for _ in range(draw.choice((0, 0, 1, 1, 2))):
            size = draw.randint(9, 90), draw.randint(9, 90)
            shown = {"type": "image", "image": picture(draw.randint(0, 99), *size)}
            parts.insert(draw.randint(0, len(parts)), shown)
        messages.append({"role": "user", "content": parts if len(parts) > 1 else text()})
    return messages


def written_out(messages: Sequence[Message], between: Callable[[Message, int], str]) -> str:
    """Its texts, each with what `between` puts in front of it; pictures left out."""
    written = ""
    for index, message in enumerate(messages):
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        said = "".join(part["text"] for part in parts if part["type"] == "text")
        written += between(message, index) + said
    return written
