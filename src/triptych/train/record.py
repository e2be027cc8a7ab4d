"""What a run wrote down: one JSON line a step, and a progress bar for the person watching."""

import json
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from triptych.errors import DataError


class Record:
    """The JSONL file of a run. Resuming drops the lines of steps that will be done again."""

    def __init__(self, path: Path, *, resume_step: int = 0) -> None:
        kept = [line for line in read_record(path) if int(line["step"]) <= resume_step]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self.path = path

    def write(self, line: Mapping[str, float | int]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(line)) + "\n")


def read_record(path: Path) -> list[dict[str, float | int]]:
    """The lines of a record; a half-written last line, as a crash leaves it, is dropped."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    read: list[dict[str, float | int]] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            read.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise DataError(f"{path}:{number} is not a JSON line; remove it to go on") from error
    return read


LOG_EVERY_S = 30.0
"""Seconds between two lines of progress where stderr is no terminal."""


class ProgressBar:
    """Loss, speed and remaining time of a run, on stderr."""

    def __init__(self, num_steps: int, done: int, *, name: str = "training") -> None:
        self.name = name
        self.recent: deque[tuple[float, int, int]] = deque(maxlen=50)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
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
