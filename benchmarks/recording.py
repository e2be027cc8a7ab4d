"""Results of a machine in one file: figures for programs, and the tables for people beside them.

    results/amd-epyc-2-cores.json     by section: command, date, figures, table
    results/amd-epyc-2-cores.md       made of it

A section that is measured again replaces the old one; the others stay.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triptych.measure.machine import this_machine

RESULTS = Path(__file__).resolve().parent / "results"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every script that measures."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FOLDER", help="of the machines' files"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the result in this machine's file"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown that can be read as it is, numbers on the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    first, *others = widths
    rule = [":" + "-" * max(2, first - 1), *("-" * max(2, width - 1) + ":" for width in others)]
    return "\n".join([line(header), f"| {' | '.join(rule)} |", *map(line, rows)])


def record(
    arguments: argparse.Namespace, section: str, figures: Mapping[str, Any], text: str
) -> None:
    """Print a result, and write it wherever the command line wants it."""
    print(text)
    told = {
        "command": shlex.join(["python", *_shortened(sys.argv)]),
        "date": datetime.now(UTC).date().isoformat(),
        "figures": dict(figures),
        "text": text,
    }
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if arguments.keep:
        written = _keep(arguments.results, section, told)
        print(f"kept: {written}", file=sys.stderr)


def _keep(folder: Path, section: str, told: Mapping[str, Any]) -> Path:
    machine = this_machine()
    path = folder / f"{machine.name}.json"
    kept: dict[str, Any] = {"machine": {}, "sections": {}}
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
    kept["machine"] = {"name": machine.name, **asdict(machine)}
    kept["sections"][section] = told
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(_page(kept), encoding="utf-8")
    return path


def _page(kept: Mapping[str, Any]) -> str:
    machine = kept["machine"]
    lines = [
        f"# {machine['cpu']}, {machine['cores']} cores",
        "",
        f"Instructions: {', '.join(machine['instructions'])}. PyTorch {machine['torch']}.",
    ]
    for name, section in sorted(kept["sections"].items()):
        lines += ["", f"## {name}", "", f"`{section['command']}`, {section['date']}", ""]
        lines += [section["text"]]
    return "\n".join(lines) + "\n"


def _shortened(words: Sequence[str]) -> list[str]:
    """The command as it is typed in the checkout, of folders elsewhere their names alone."""
    script, *options = words
    named = [Path(each).name if Path(each).is_absolute() else each for each in options]
    return [f"benchmarks/{Path(script).name}", *named]
