"""Where the answers stand in a conversation, told from the template's text alone.

    template, messages                 -> the whole text
    template, one message exchanged    -> the same text but there: so that is where it stands

This knows nothing of how a processor finds answers to label. It exchanges what is said and looks
at what has changed, so that one can be held against the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from triptych.errors import TokenError
from triptych.text import ChatTemplate
from triptych.text.jinja import content_form, render
from triptych.text.messages import Message, Part, parts_of

SLOT = "\ufdd0"
"""Stands for a picture in a text. Three characters that are none, so that nobody has said them."""

_BROKEN = "\ufdd1"
"""Stands inside of what somebody has said that looks like a picture's slot, and is none."""

_EXCHANGED = "\ufdd2"
"""Said in place of a message."""

Spell: TypeAlias = Callable[[Part], str]
"""How a box or a point is written."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A stretch of the text that is to be learned; all are offsets of characters."""

    message_index: int
    start: int
    """Behind the prompt that asks for it."""
    spoken: int
    """Behind what the assistant says."""
    stop: int
    """Behind its end token; `spoken` where the template writes none."""


@dataclass(frozen=True, slots=True)
class ExpectedText:
    """What a conversation should be as text, with `SLOT` for every picture."""

    text: str
    answers: tuple[Answer, ...]


def expected_text(
    template: ChatTemplate, messages: Sequence[Message], spell: Spell
) -> ExpectedText:
    """The text of a conversation, and where its answers stand.

    Raises:
        TokenError: the template refuses the conversation, or leaves out what a message says.
    """
    writer = _Writer(template, spell)
    text = writer.write(messages)
    stretches = [_stretch(writer, text, messages, index) for index in range(len(messages))]
    answers: list[Answer] = []
    for index, (start, stop) in enumerate(stretches):
        if messages[index]["role"] == "assistant":
            later = min((each for each, _ in stretches[index + 1 :]), default=len(text))
            asked = _prompt_length(writer, text, messages[:index], start)
            end = _end(template, text[:later], stop)
            answers.append(Answer(index, asked, stop, end))
    return ExpectedText(text, tuple(answers))


def _stretch(
    writer: "_Writer", text: str, messages: Sequence[Message], index: int
) -> tuple[int, int]:
    """Where what a message says begins and ends."""
    content = _EXCHANGED if writer.form.text else [{"type": "text", "text": _EXCHANGED}]
    other = {**messages[index], "content": content}
    exchanged = writer.write([*messages[:index], other, *messages[index + 1 :]])
    before, found, behind = exchanged.partition(_EXCHANGED)
    if not found:
        raise TokenError(
            f"the chat template leaves out what message {index + 1} "
            f"({messages[index]['role']}) says; take a template that writes every turn"
        )
    if not (text.startswith(before) and text.endswith(behind)):
        return _unequal(text, before, behind)
    return len(before), max(len(before), len(text) - len(behind))


def _unequal(text: str, before: str, behind: str) -> tuple[int, int]:
    """The same where the template writes other words around another text, as around none."""
    start = _common(text, before)
    stop = len(text) - _common(text[::-1], behind[::-1])
    return start, max(start, stop)


def _common(first: str, second: str) -> int:
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _prompt_length(writer: "_Writer", text: str, asked: Sequence[Message], spoken_from: int) -> int:
    """Where a prompt for this answer would end; where its text begins if that is another prompt."""
    try:
        prompt = writer.write(asked, add_generation_prompt=True)
    except TokenError:
        return spoken_from
    fits = text.startswith(prompt) and len(prompt) <= spoken_from
    return len(prompt) if fits else spoken_from


def _end(template: ChatTemplate, text: str, spoken: int) -> int:
    """Behind the first end token after what was said; a text ends where the next message begins."""
    ends = [
        (place, place + len(token))
        for token in template.end_tokens
        if (place := text.find(token, spoken)) >= 0
    ]
    return min(ends)[1] if ends else spoken


class _Writer:
    """Writes conversations plainly, with `SLOT` where a picture stands."""

    def __init__(self, template: ChatTemplate, spell: Spell) -> None:
        self.template = template
        self.spell = spell
        self.form = content_form(template.source)
        self.slot_tokens = [each for each in (template.video_token, template.image_token) if each]

    def write(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        text = render(
            self.template.source,
            messages=[self._plain(message) for message in messages],
            add_generation_prompt=add_generation_prompt,
            tools=None,
            bos_token=self.template.bos_token,
            eos_token=self.template.end_tokens[0],
            image_token=self.template.image_token,
            video_token=self.template.video_token,
        )
        for token in self.slot_tokens:
            text = text.replace(token, SLOT)
        return text.replace(_BROKEN, "")

    def _plain(self, message: Message) -> dict[str, Any]:
        parts = parts_of(message)
        shows = any(part["type"] in ("image", "video") for part in parts)
        if self.form.parts and (shows or not self.form.text):
            return {**message, "content": [self._part(part) for part in parts]}
        return {**message, "content": "".join(map(self._text, parts))}

    def _part(self, part: Part) -> Mapping[str, Any]:
        kind = part["type"]
        if kind in ("image", "video"):
            return {"type": kind, kind: True}
        return {"type": "text", "text": self._text(part)}

    def _text(self, part: Part) -> str:
        match part["type"]:
            case "image" | "video":
                return SLOT
            case "text":
                text: str = part["text"]
            case _:
                text = self.spell(part)
        for token in self.slot_tokens:
            text = text.replace(token, token[:1] + _BROKEN + token[1:])
        return text
