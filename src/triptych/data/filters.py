"""Rules for which samples are used: by the size of pictures, by length, by script.

Only what can be decided exactly is a rule. A sample that a rule excludes is not a fault: it is
listed in the ledger as filtered and counts against no tolerance.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from triptych.data.ledger import LeftOut
from triptych.data.sources.conversation import Conversation, Message
from triptych.errors import ConfigError

Script: TypeAlias = Literal[
    "arabic",
    "armenian",
    "bengali",
    "cyrillic",
    "devanagari",
    "georgian",
    "greek",
    "han",
    "hangul",
    "hebrew",
    "hiragana",
    "katakana",
    "latin",
    "tamil",
    "telugu",
    "thai",
]

_WORDS: Mapping[str, Script] = {
    "ARABIC": "arabic",
    "ARMENIAN": "armenian",
    "BENGALI": "bengali",
    "CYRILLIC": "cyrillic",
    "DEVANAGARI": "devanagari",
    "GEORGIAN": "georgian",
    "GREEK": "greek",
    "CJK": "han",
    "HANGUL": "hangul",
    "HEBREW": "hebrew",
    "HIRAGANA": "hiragana",
    "KATAKANA": "katakana",
    "LATIN": "latin",
    "TAMIL": "tamil",
    "TELUGU": "telugu",
    "THAI": "thai",
}
"""The word in the Unicode names of a script's letters."""

_LETTERS = ("LETTER", "IDEOGRAPH", "SYLLABLE")


@dataclass(frozen=True, kw_only=True, slots=True)
class FilterConfig:
    """Which samples are used; 0 and an empty list are no rule."""

    min_side: int = 0
    """Shorter side of every picture at least, in pixels."""

    max_side: int = 0
    """Longer side of every picture at most, in pixels."""

    max_aspect: float = 0.0
    """Longer over shorter side of every picture at most."""

    max_tokens: int = 0
    """Tokens of the whole sequence at most, pictures included."""

    scripts: tuple[Script, ...] = ()
    """Every letter of what is said must belong to one of these, judged by its Unicode name. Digits,
    signs and marks belong to all of them."""

    def __post_init__(self) -> None:
        for name in ("min_side", "max_side", "max_tokens"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.max_aspect and not self.max_aspect >= 1:
            raise ConfigError(f"max_aspect must be at least 1, or 0, got {self.max_aspect}")

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule at all."""
        return self == FilterConfig()

    def excludes(
        self, conversation: Conversation, sizes: Iterable[tuple[int, int]], num_tokens: int
    ) -> LeftOut | None:
        """Why a sample is not used, or None.

        `sizes` are height and width of its pictures as they are stored.
        """
        found = (
            next((found for size in sizes if (found := self._size(*size))), None)
            or self._length(num_tokens)
            or self._letters(conversation)
        )
        return None if found is None else LeftOut(conversation.sample_id, *found)

    def _size(self, height: int, width: int) -> tuple[str, str] | None:
        shorter, longer, said = min(height, width), max(height, width), f"{width} x {height} pixels"
        if shorter < self.min_side:
            return "picture too small", f"{said}, shorter than {self.min_side}"
        if self.max_side and longer > self.max_side:
            return "picture too large", f"{said}, longer than {self.max_side}"
        if self.max_aspect and longer > self.max_aspect * shorter:
            return "picture too elongated", f"{said}, more than {self.max_aspect:g} to 1"
        return None

    def _length(self, num_tokens: int) -> tuple[str, str] | None:
        if self.max_tokens and num_tokens > self.max_tokens:
            return "too long", f"{num_tokens} tokens, more than {self.max_tokens}"
        return None

    def _letters(self, conversation: Conversation) -> tuple[str, str] | None:
        if not self.scripts:
            return None
        for messages in (conversation.messages, *conversation.others):
            for text in texts_of(messages):
                for character in text:
                    if (script := script_of(character)) and script not in self.scripts:
                        name = unicodedata.name(character)
                        return "another script", f"{character!r} is {name}"
        return None


def texts_of(messages: Sequence[Message]) -> Iterable[str]:
    """Everything that a conversation says, labels of boxes and points included."""
    for message in messages:
        if isinstance(message["content"], str):
            yield message["content"]
            continue
        for part in message["content"]:
            yield part["text"] if part["type"] == "text" else part.get("label", "")


@lru_cache(maxsize=4096)
def script_of(character: str) -> str:
    """The script of a letter, `other` for one that is not in the list; empty for no letter."""
    category = unicodedata.category(character)
    name = unicodedata.name(character, "")
    if category[0] != "L" or category == "Lm" or not any(word in name for word in _LETTERS):
        return ""
    return next(
        (_WORDS[word] for word in name.replace("-", " ").split() if word in _WORDS), "other"
    )
