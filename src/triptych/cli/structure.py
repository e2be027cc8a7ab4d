"""Options for the form of an answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from triptych.generate.structure import Structure

SchemaOption = Annotated[
    Path | None,
    typer.Option(
        "--schema",
        help="JSON file: the wanted fields as keys, or a JSON Schema; the answer is JSON of it.",
        show_default=False,
    ),
]
RegexOption = Annotated[
    str | None,
    typer.Option(
        "--regex",
        help="The answer is what this regular expression matches as a whole.",
        show_default=False,
    ),
]
ChoiceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--choice",
        help="The answer is this text, or that of another --choice.",
        show_default=False,
    ),
]


def read_structure(
    schema: Path | None, regex: str | None, choices: list[str] | None
) -> "Structure | None":
    """The form that the command line asks for, if any.

    Raises:
        UsageError: it asks for several, or for one that cannot be held.
        MissingExtraError: nothing is installed that holds it.
    """
    if schema is None and regex is None and not choices:
        return None
    from triptych.errors import UsageError
    from triptych.generate.matching import check_structure
    from triptych.generate.structure import Choice, JsonSchema, Regex
    from triptych.tasks.fields import json_schema

    if (schema is not None) + (regex is not None) + bool(choices) > 1:
        raise UsageError("an answer has one form; give --schema, --regex or --choice alone")
    if schema is not None:
        structure = JsonSchema(json_schema(schema))
    else:
        structure = Choice(tuple(choices or ())) if regex is None else Regex(regex)
    check_structure(structure)
    return structure
