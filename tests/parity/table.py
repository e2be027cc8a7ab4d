"""The parity table: every family's numbers beside the reference's, by one command.

    make parity
    python -m tests.parity.table [--json] [NAME ...]

Each file of `families/` offers `rows() -> list[ParityRow]`; NAME limits the table to some of them.
The table goes to stdout, progress to stderr. Exit code 1 when a bar is missed, a file fails, or a
family that can be imported has no row.
"""

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tests.parity.rows import NUM_GREEDY, TOLERANCE, ParityRow

FAMILIES = Path(__file__).parent / "families"
"""Where the rows of each family are measured."""


@dataclass(frozen=True)
class Measured:
    """What one file of `families/` had to say."""

    name: str
    rows: tuple[ParityRow, ...] = ()
    error: str = ""
    """Why there are no rows; empty where there are."""


def file_names(folder: Path = FAMILIES) -> list[str]:
    """The files that measure rows, by name."""
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def measure(name: str) -> Measured:
    """The rows of one file; whatever it raises becomes its error."""
    try:
        rows = importlib.import_module(f"tests.parity.families.{name}").rows()
    except Exception as error:  # one family that fails must not hide the others
        return Measured(name, error=f"{type(error).__name__}: {error}".splitlines()[0])
    return Measured(name, tuple(rows)) if rows else Measured(name, error="measured no row")


def unmeasured(titles: Iterable[str], rows: Sequence[ParityRow]) -> list[str]:
    """Families without a row; what is special about a row stands in brackets behind the title."""
    known = {row.family.split(" (")[0] for row in rows} | {row.family for row in rows}
    return [title for title in titles if title not in known]


def as_dict(row: ParityRow) -> dict[str, object]:
    """A row as plain values, with its verdict."""
    return {**asdict(row), "ok": row.is_met()}


def drawn(measured: Sequence[Measured]) -> Table:
    """The table as people read it."""
    table = Table(caption=f"largest absolute differences, fp32 eager; the bar is {TOLERANCE:g}")
    table.add_column("family")
    for heading in ("vision", "connector", "output", "spread", f"greedy / {NUM_GREEDY}", "ok"):
        table.add_column(heading, justify="right")
    for each in measured:
        for row in each.rows:
            verdict = "yes" if row.is_met() else "[bold red]no"
            table.add_row(row.family, *_cells(row), verdict)
        if each.error:
            table.add_row(each.name, "", "", "", "", "", "[bold red]failed")
    return table


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and say by the exit code whether every bar is met."""
    parser = argparse.ArgumentParser(description="Print the parity table.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="files of families/ [all]")
    parser.add_argument("--json", action="store_true", help="print a JSON list of rows")
    options = parser.parse_args(arguments)
    names = options.names or file_names()
    if unknown := sorted(set(names) - set(file_names())):
        parser.error(f"no file of families/ is called {unknown[0]}; there are {file_names()}")
    _be_quiet()
    measured = _measure_all(names)
    rows = [row for each in measured for row in each.rows]
    missing = [] if options.names else unmeasured(_titles(), rows)
    if options.json:
        print(json.dumps([as_dict(row) for row in rows], indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 120).print(drawn(measured))
    for each in measured:
        if each.error:
            print(f"{each.name}: {each.error}", file=sys.stderr)
    for title in missing:
        print(f"{title}: no row; add a file to tests/parity/families", file=sys.stderr)
    failed = bool(missing) or any(each.error for each in measured)
    return int(failed or not rows or not all(row.is_met() for row in rows))


def _measure_all(names: Sequence[str]) -> list[Measured]:
    measured: list[Measured] = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(names))
        for name in names:
            progress.update(task, description=name)
            measured.append(measure(name))
            progress.advance(task)
    return measured


def _cells(row: ParityRow) -> list[str]:
    differences = [_number(each) for each in (row.vision, row.connector, row.output, row.spread)]
    return [*differences, "-" if row.greedy is None else str(row.greedy)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _titles() -> list[str]:
    from triptych.published.families.scorers import SCORER_FAMILIES
    from triptych.published.families.vlms import FAMILIES as PUBLISHED

    return [family.title for family in (*PUBLISHED, *SCORER_FAMILIES)]


def _be_quiet() -> None:
    """The reference reports its loading on stderr, where the progress is."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
