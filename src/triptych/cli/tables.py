"""Results as people read them."""

import sys
from collections.abc import Mapping
from typing import cast


def print_scores(result: Mapping[str, object], indent: str = "") -> None:
    """Print names and values in two columns, groups under their name."""
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}")
            print_scores(cast(Mapping[str, object], value), indent + "  ")
        elif isinstance(value, float):
            print(f"{indent}{name:{width}}  {value:.4f}")
        else:
            print(f"{indent}{name:{width}}  {value}")


def print_note(note: str) -> None:
    """Print what to know about an answer beside it, on stderr; nothing if there is nothing."""
    if note:
        print(f"note: {note}", file=sys.stderr)
