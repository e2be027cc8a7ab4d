"""What the person watching sees of a run while it goes on: a few lines that stay in their place.

    training    step 1,240 of 7,500   16 %   1 h 52 min left
    answering   2.3140   ▇▇▆▅▅▄▄▃▄▃▂▃▂▂▂▁▂▁▁▁
    validated   val_loss 2.4021 (step 1,000)
    gradient    all 1.30   vision 0.30   connector 0.40   language 1.20
    speed       1,830 tokens/s   14.2 images/s   0.93 s a step   61 % of 84 GFLOP/s
    memory      3.2 GB at most

Narrow terminals get what there is room for. Where stderr is no terminal a line is written now and
then instead. Nothing runs beside the training: it is drawn between two steps, twice a second.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import TracebackType

import torch
from rich.console import Console
from rich.live import Live
from rich.text import Text

from triptych.fusion.vlm import PANELS
from triptych.train.effort import OperationCounter, gemm_rate
from triptych.train.memory import peak_memory_bytes
from triptych.train.record import Line

REDRAW_S = 0.5
"""Least time between two drawings."""

LOG_EVERY_S = 30.0
"""Least time between two lines where stderr is no terminal."""

NUM_RECENT = 50
"""Steps that speeds are means over."""

NUM_DRAWN = 60
"""Steps whose losses are drawn at most."""

BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.-~=*%#"
LABEL_WIDTH = 12


class LiveView:
    """The lines about a run, kept up to date on stderr."""

    def __init__(
        self,
        num_steps: int,
        done: int,
        objectives: Sequence[str] = (),
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        name: str = "training",
        is_shown: bool = True,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`objectives` are what the losses are of; products of matrices are made in `dtype`."""
        self.num_steps, self.done, self.name = num_steps, done, name
        self.objectives = tuple(objectives) or ("loss",)
        self.dtype, self.device = dtype, device or torch.device("cpu")
        self.is_shown = is_shown
        self.console = console or Console(stderr=True)
        self.clock = clock
        self.losses = {each: deque[float](maxlen=NUM_DRAWN) for each in self.objectives}
        self.recent = deque[tuple[float, float, int, int]](maxlen=NUM_RECENT)
        """Of the last steps: when they ended, seconds of the run, images, tokens."""
        self.line: Line = {}
        self.validated = ""
        self.peak = 0.0
        """Operations a second of a large product; 0 where it was not measured."""
        self.operations_per_token = 0.0
        self._operations = 0
        """Of the step that was counted."""
        self._live: Live | None = None
        self._next_at = -math.inf

    @property
    def is_live(self) -> bool:
        """Whether lines stay in their place; else they are written one under the other."""
        return self.is_shown and self.console.is_terminal

    def __enter__(self) -> "LiveView":
        if self.is_live:
            self.peak = gemm_rate(self.dtype, self.device)
            self._live = Live(self._drawn(), console=self.console, auto_refresh=False)
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.update(self._drawn(), refresh=True)
            self._live.stop()
            self._live = None

    @contextmanager
    def counting(self) -> Generator[None]:
        """Around every step: the operations of the first are counted, if they will be shown."""
        if self._operations or not self.is_live:
            yield
            return
        with OperationCounter() as counter:
            yield
        self._operations = counter.operations

    def advance(self, line: Line) -> None:
        """One step is done; `line` is its line in the record."""
        if self._operations and not self.operations_per_token:
            self.operations_per_token = self._operations / max(1, line["tokens"])
        self.done += 1
        self.line = line
        for name, losses in self.losses.items():
            losses.append(line.get(name, line["loss"]))
        self.recent.append((self.clock(), line["seconds"], line["images"], line["tokens"]))
        if not self.is_shown or self.clock() < self._next_at:
            return
        if self._live is not None:
            self._live.update(self._drawn(), refresh=True)
            self._next_at = self.clock() + REDRAW_S
        else:
            self.note(self._plainly())
            self._next_at = self.clock() + LOG_EVERY_S

    def note(self, text: str) -> None:
        """Print a line above the others."""
        if self.is_shown:
            self.console.print(text, highlight=False)

    def note_scores(self, scores: dict[str, float]) -> None:
        """Keep in sight what the last validation gave."""
        loss = scores.get("val_loss", math.nan)
        self.validated = f"val_loss {loss:.4f} (step {self.done:,})"

    def lines(self, width: int, blocks: str = BLOCKS) -> list[str]:
        """What is shown, none of it wider than `width`."""
        rows = [(self.name, self._progress())]
        room = width - LABEL_WIDTH - 11
        for name, losses in self.losses.items():
            if losses:
                drawn = sparkline(list(losses)[-max(0, room) :], blocks) if room >= 8 else ""
                rows.append((name, [f"{losses[-1]:.4f}".rjust(8), drawn]))
        rows.append(("validated", [self.validated]))
        rows.append(("gradient", self._norms()))
        rows.append(("gates", self._gates(blocks)))
        rows.append(("speed", self._speeds()))
        rows.append(("memory", [f"{self._memory_bytes() / 1e9:.1f} GB at most"]))
        return [fit(label, parts, width) for label, parts in rows if any(parts)]

    def _drawn(self) -> Text:
        blocks = ASCII_BLOCKS if self.console.options.ascii_only else BLOCKS
        # The last column stays free: some terminals break a line that fills it.
        width = max(1, self.console.width - 1)
        text = Text(no_wrap=True, overflow="crop")
        for line in self.lines(width, blocks):
            label = LABEL_WIDTH if width >= 2 * LABEL_WIDTH else 0
            text.append(line[:label], "dim").append(f"{line[label:]}\n")
        return text

    def _plainly(self) -> str:
        """The line that a log file gets."""
        shown = f"{self.name} step {self.done}/{self.num_steps}  loss {self.line['loss']:.3f}"
        speed = self._speed()
        return f"{shown}  {speed[0]:.0f} images/s  {speed[1]:.0f} tokens/s" if speed else shown

    def _progress(self) -> list[str]:
        share = self.done / max(1, self.num_steps)
        parts = [f"step {self.done:,} of {self.num_steps:,}", f"{share:.0%}".replace("%", " %")]
        took = self.recent[-1][0] - self.recent[0][0] if self.recent else 0.0
        if took > 0:
            left = (self.num_steps - self.done) * took / (len(self.recent) - 1)
            parts.append(f"{duration(left)} left")
        return parts

    def _norms(self) -> list[str]:
        whole = self.line.get("gradient_norm")
        if whole is None:
            return []
        panels = [f"gradient_norm_{panel}" for panel in PANELS]
        shown = {name.rpartition("_")[2]: self.line[name] for name in panels if name in self.line}
        return [f"all {whole:.3g}", *(f"{name} {norm:.3g}" for name, norm in shown.items())]

    def _gates(self, blocks: str) -> list[str]:
        """How far open the gates of all layers are, those of attention and those of MLPs."""
        parts: list[str] = []
        for kind in ("attention", "mlp"):
            prefix = f"gate_{kind}_"
            sizes = [abs(each) for name, each in self.line.items() if name.startswith(prefix)]
            if sizes:
                drawn = sparkline(sizes, blocks, low=0.0, high=1.0)
                parts.append(f"{kind} {drawn} up to {max(sizes):.3f}")
        return parts

    def _speed(self) -> tuple[float, float, float] | None:
        """Images and tokens a second of training, and seconds a step."""
        if len(self.recent) < 2 or self.recent[-1][1] <= self.recent[0][1]:
            return None
        took, later = self.recent[-1][1] - self.recent[0][1], list(self.recent)[1:]
        images, tokens = sum(each[2] for each in later), sum(each[3] for each in later)
        return images / took, tokens / took, took / len(later)

    def _speeds(self) -> list[str]:
        speed = self._speed()
        if speed is None:
            return []
        images, tokens, seconds = speed
        parts = [f"{tokens:,.0f} tokens/s", f"{images:,.1f} images/s", f"{seconds:.3g} s a step"]
        if self.peak and self.operations_per_token:
            share = self.operations_per_token * tokens / self.peak
            parts.append(f"{share:.0%} of {self.peak / 1e9:,.0f} GFLOP/s".replace("%", " %"))
        return parts

    def _memory_bytes(self) -> int:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return peak_memory_bytes()


def fit(label: str, parts: Sequence[str], width: int) -> str:
    """A label and as many parts as there is room for; a first part that is too long is cut."""
    line = f"{label:<{LABEL_WIDTH}}" if width >= 2 * LABEL_WIDTH else ""
    line += next(iter(parts), "")
    for part in parts[1:]:
        if part and len(line) + 3 + len(part) <= width:
            line += f"   {part}"
    return line[:width].rstrip()


def sparkline(
    values: Sequence[float],
    blocks: str = BLOCKS,
    *,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """Values as a row of blocks, from `low` to `high` (the least and the greatest of them).

    What is no number is a blank.
    """
    finite = [each for each in values if math.isfinite(each)]
    if not finite:
        return " " * len(values)
    low = min(finite) if low is None else low
    high = max(finite) if high is None else high
    top = len(blocks) - 1
    return "".join(
        blocks[min(top, max(0, round(top * (each - low) / ((high - low) or 1.0))))]
        if math.isfinite(each)
        else " "
        for each in values
    )


def duration(seconds: float) -> str:
    """A time as people say it, in its two largest units."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
