"""Read a document into JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from triptych.errors import MissingExtraError
from triptych.generate import GenerationOptions
from triptych.generate.matching import check_structure
from triptych.generate.structure import JsonSchema
from triptych.processor import ask_about
from triptych.tasks.fields import Schema, field_names, json_schema
from triptych.tasks.responding import Responder

TRANSCRIBE = "Transcribe everything that matters here as JSON."
"""What is asked without a schema."""

EXTRACT = "Extract {keys} as JSON."
"""What is asked with one."""

READING = GenerationOptions(max_new_tokens=512)
"""Room for a receipt of about ten lines."""

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

    With a schema, an engine that holds structures answers nothing else.

    Raises:
        UsageError: the schema cannot be read, names no field, or cannot be obeyed.
    """
    names = () if schema is None else field_names(schema)
    caution = ""
    if schema is not None and responder.engine.holds_structure and options.structure is None:
        options, caution = _held(options, schema)
    question = (EXTRACT if names else TRANSCRIBE) if prompt is None else prompt
    opened = responder.open([document])
    asked = ask_about(opened, question.replace("{keys}", _enumerate(names)))
    [answer] = responder.answer([asked], options, [responder.note(opened)])
    value, is_json = parse_json(answer.text)
    given = set(cast(dict[str, Any], value)) if isinstance(value, dict) else set[str]()
    missing = tuple(name for name in names if name not in given)
    note = "; ".join(filter(None, (caution, answer.note)))
    return Reading(answer.text, value, is_json, missing, answer.ended, note)


def _held(options: GenerationOptions, schema: Schema) -> tuple[GenerationOptions, str]:
    """The options with the schema as structure; as they are, with a reason, where that cannot be.

    Raises:
        UsageError: the schema cannot be obeyed.
    """
    if options.num_beams > 1:
        return options, "beam search follows no schema, so the JSON may differ from it"
    structure = JsonSchema(json_schema(schema))
    try:
        check_structure(structure)
    except MissingExtraError as missing:
        return options, str(missing)
    return replace(options, structure=structure), ""


def parse_json(text: str) -> tuple[Any, bool]:
    """The value of a JSON text, in a code fence or not, and whether it is one."""
    fenced = _FENCED.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text, parse_constant=_refuse_constant), True
    except (ValueError, RecursionError):  # a number of 5000 digits is a ValueError too
        return None, False


def _refuse_constant(name: str) -> NoReturn:
    """JSON has no infinities, although Python reads them."""
    raise ValueError(name)


def _enumerate(names: Sequence[str]) -> str:
    """As documents are asked for in training: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
