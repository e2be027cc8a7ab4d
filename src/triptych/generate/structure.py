r"""The form of an answer: JSON of a schema, what a regular expression matches, one of a few texts.

    JsonSchema({"type": "object", "properties": {"total": {"type": "number"}}})
    Regex(r"\d{4}-\d{2}-\d{2}")
    Choice(("cat", "dog"))

Each is written as a grammar of llguidance, which `matching` follows token by token. JSON stands on
one line, with at most one space behind a comma or colon: as `json.dumps` writes it or more tightly,
whichever the model likes better. Free white space would let a model that does not know how to go on
fill its answer with line ends.

llguidance: https://github.com/guidance-ai/llguidance
"""

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from triptych.errors import UsageError
from triptych.generate.schemas import Schema, checked, translated

_SPACING = {"item_separator": ", ?", "key_separator": ": ?", "whitespace_flexible": False}
_NOT_SPACED = r"([^ ](.|\n)*)?"


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """JSON that a schema describes, with its fields in the order of the schema."""

    schema: Schema
    """JSON Schema 2020-12; `True` for any JSON."""

    def __post_init__(self) -> None:
        if self.schema is False:
            raise UsageError("no JSON fits the schema false; give true for any JSON")
        checked(self.schema)

    def is_met_by(self, text: str) -> bool:
        """Whether a text is JSON; whether it obeys the schema is not looked at."""
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return False
        return True

    def grammar(self, *, drops_space: bool = False) -> str:
        """The form as a grammar, with a space in front where the tokenizer drops one."""
        schema: dict[str, Any] = {} if self.schema is True else checked(self.schema)
        body = json.dumps({**schema, "x-guidance": _SPACING})
        return f"start: {'/ ?/ ' if drops_space else ''}json\njson: %json {body}"


@dataclass(frozen=True, slots=True)
class Regex:
    """Text that a regular expression matches as a whole."""

    pattern: str
    """In the words of Python's `re`, without look-around and references back."""

    def __post_init__(self) -> None:
        translated(self.pattern)

    def is_met_by(self, text: str) -> bool:
        """Whether a text has the form."""
        return re.fullmatch(self.pattern, text) is not None

    def grammar(self, *, drops_space: bool = False) -> str:
        """See `JsonSchema.grammar`."""
        body = translated(self.pattern)
        text = f"/ / BODY | (BODY & /{_NOT_SPACED}/)" if drops_space else "BODY"
        return f"start: TEXT\nTEXT: {text}\nBODY: /{body}/"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few texts."""

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.texts or not all(self.texts):
            raise UsageError(
                f"a choice needs texts, none of them empty, got {list(self.texts)}; name at least "
                "one"
            )

    def is_met_by(self, text: str) -> bool:
        """Whether a text has the form."""
        return text in self.texts

    def grammar(self, *, drops_space: bool = False) -> str:
        """See `JsonSchema.grammar`."""
        texts = list(self.texts)
        if drops_space:
            spaced = [f" {text}" for text in texts]
            texts = [*spaced, *(text for text in texts if not text.startswith(" "))]
        return "start: " + " | ".join(map(json.dumps, texts))


Structure: TypeAlias = JsonSchema | Regex | Choice
"""The form of an answer."""
