"""What a run wrote down, one JSON line a step, and what it says to the person watching."""

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.checkpoint.files import write_bytes
from triptych.errors import DataError

Line = dict[str, Any]
"""Numbers by name; of a step that was skipped also why, and its samples."""


def say(text: str) -> None:
    """Tell the person watching; the lines about the run step aside for it."""
    print(f"triptych: {text}", file=sys.stderr, flush=True)


class Record:
    """A JSONL file of a run. Resuming drops the lines of steps that will be done again.

    A line that the disk refuses is kept, said once, and written with a later one.
    """

    def __init__(self, path: Path, *, resume_step: int = 0) -> None:
        kept = [line for line in read_record(path) if int(line["step"]) <= resume_step]
        data = "".join(map(_encoded, kept)).encode()
        write_bytes(path, data)
        self.path = path
        self._size = len(data)
        """Bytes of whole lines; behind them may be half of one."""
        self._waiting = ""

    def write(self, line: Mapping[str, Any]) -> None:
        """Append one line."""
        is_first = not self._waiting
        self._waiting += _encoded(line)
        try:
            self._append()
        except OSError as error:
            if is_first:
                say(f"{self.path} cannot be written ({error}); its lines are kept for later")

    def sync(self) -> None:
        """Have all lines on the disk.

        Raises:
            OSError: it refuses some.
        """
        self._append()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def _append(self) -> None:
        data = self._waiting.encode()
        with self.path.open("r+b") as file:
            file.seek(self._size)
            file.truncate()
            file.write(data)
        self._size += len(data)
        self._waiting = ""


def _encoded(line: Mapping[str, Any]) -> str:
    return json.dumps(plain(line)) + "\n"


def plain(line: Mapping[str, Any]) -> Line:
    """The line as JSON can hold it, which knows no NaN and no infinity: they become None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in line.items()
    }


def read_record(path: Path) -> list[Line]:
    """The lines of a record; a half-written last line, as a crash leaves it, is dropped.

    Where a step's loss or gradient was no number, it is NaN.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    read: list[Line] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            found: Line = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise DataError(f"{path}:{number} is not a JSON line; remove it to go on") from error
        read.append({name: math.nan if each is None else each for name, each in found.items()})
    return read
