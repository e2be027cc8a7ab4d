"""What a run wrote down: one JSON line a step, and a progress bar for the person watching."""

import json
import math
import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from triptych.checkpoint.files import write_bytes
from triptych.errors import DataError

Line = dict[str, Any]
"""Numbers by name; of a step that was skipped also why, and its samples."""


def say(text: str) -> None:
    """Tell the person watching; a progress bar steps aside for it."""
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


LOG_EVERY_S = 30.0
"""Seconds between two lines of progress where stderr is no terminal."""


class ProgressBar:
    """Loss, speed and remaining time of a run, on stderr."""

    def __init__(
        self, num_steps: int, done: int, *, name: str = "training", is_shown: bool = True
    ) -> None:
        self.name = name
        self.recent: deque[tuple[float, int, int]] = deque(maxlen=50)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, quiet=not is_shown),
            refresh_per_second=2,
        )
        self.task = self.progress.add_task(name, total=num_steps, completed=done, status="")
        self.num_steps, self.done = num_steps, done
        self.next_line_at = time.monotonic()

    def __enter__(self) -> "ProgressBar":
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def advance(self, loss: float, num_images: int, num_tokens: int) -> None:
        """One step is done."""
        self.recent.append((time.monotonic(), num_images, num_tokens))
        status = f"loss {loss:.3f}"
        elapsed = self.recent[-1][0] - self.recent[0][0]
        if elapsed > 0:
            images = sum(each[1] for each in list(self.recent)[1:]) / elapsed
            tokens = sum(each[2] for each in list(self.recent)[1:]) / elapsed
            status += f"  {images:.0f} images/s  {tokens:.0f} tokens/s"
        self.done += 1
        self.progress.update(self.task, advance=1, status=status)
        # A log file shows no bar; it gets a line now and then.
        if not self.progress.console.is_terminal and time.monotonic() >= self.next_line_at:
            self.note(f"{self.name} step {self.done}/{self.num_steps}  {status}")
            self.next_line_at = time.monotonic() + LOG_EVERY_S

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self.progress.console.print(text, highlight=False)
