"""Read a document into JSON."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast

from triptych.errors import UsageError
from triptych.generate import GenerationOptions
from triptych.processor import ask_about
from triptych.tasks.responding import Responder

TRANSCRIBE = "Transcribe everything that matters here as JSON."
"""What is asked without a schema."""

EXTRACT = "Extract {keys} as JSON."
"""What is asked with one."""

READING = GenerationOptions(max_new_tokens=512)
"""Room for a receipt of about ten lines."""

Schema: TypeAlias = str | Path | Mapping[str, Any] | Sequence[str]
"""A JSON file, a mapping with the wanted fields as keys, a JSON Schema with `properties`, or the
names themselves."""

_FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model read."""

    text: str
    """As the model wrote it."""
    value: Any
    """The parsed JSON value; None where it is not valid, or `null`."""
    is_json: bool
    """Whether the text is valid JSON."""
    missing: tuple[str, ...]
    """Fields of the schema that the value does not have."""
    ended: bool
    """True when the model ended its answer, False when the length limit did."""
    note: str = ""
    """What to know before relying on it; mostly empty."""

    def as_dict(self) -> dict[str, Any]:
        """The reading as plain values, for JSON; a note only where there is one."""
        return {
            "text": self.text,
            "value": self.value,
            "is_json": self.is_json,
            "missing": list(self.missing),
            "ended": self.ended,
            **({"note": self.note} if self.note else {}),
        }


def read(
    responder: Responder,
    document: object,
    schema: Schema | None,
    prompt: str | None,
    options: GenerationOptions,
) -> Reading:
    """The document as JSON, and how far it is what was asked for.

    Raises:
        UsageError: the schema cannot be read or names no field.
    """
    names = () if schema is None else field_names(schema)
    question = (EXTRACT if names else TRANSCRIBE) if prompt is None else prompt
    opened = responder.open([document])
    asked = ask_about(opened, question.replace("{keys}", _enumerate(names)))
    [answer] = responder.answer([asked], options, [responder.note(opened)])
    value, is_json = parse_json(answer.text)
    given = set(cast(dict[str, Any], value)) if isinstance(value, dict) else set[str]()
    missing = tuple(name for name in names if name not in given)
    return Reading(answer.text, value, is_json, missing, answer.ended, answer.note)


def parse_json(text: str) -> tuple[Any, bool]:
    """The value of a JSON text, in a code fence or not, and whether it is one."""
    fenced = _FENCED.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant), True
    except (ValueError, RecursionError):  # a number of 5000 digits is a ValueError too
        return None, False


def field_names(schema: Schema) -> tuple[str, ...]:
    """The names of the fields that a schema asks for, in its order.

    Raises:
        UsageError: the file is missing or no JSON, or the schema names no field.
    """
    plain = _from_file(Path(schema)) if isinstance(schema, str | Path) else schema
    if isinstance(plain, Mapping):
        fields = cast(Mapping[str, Any], plain)
        inner = fields.get("properties")
        plain = list(cast(Mapping[str, Any], inner) if isinstance(inner, Mapping) else fields)
    names = cast(Sequence[object], plain) if isinstance(plain, list | tuple) else ()
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise UsageError(
            "the schema names no fields; give a JSON object with the fields as keys, a JSON "
            f"Schema with properties, or a list of names, not {schema!r:.60}"
        )
    return tuple(cast(Sequence[str], names))


def _from_file(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the schema {path} cannot be read ({error.strerror}); check the path"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the schema {path} is not JSON ({error}); correct the file") from error


def _refuse_constant(name: str) -> NoReturn:
    """JSON has no infinities, although Python reads them."""
    raise ValueError(name)


def _enumerate(names: Sequence[str]) -> str:
    """As documents are asked for in training: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
