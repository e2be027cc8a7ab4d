"""The picture of a run: how the loss fell, on which learning rate.

Matplotlib is slow to import and needs no screen here, so it is imported inside and drawn with Agg.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triptych.errors import DataError
from triptych.train.record import Line, read_record

INK, QUIET, ACCENT = "#1f4e79", "#9db4c8", "#c0562b"


def plot_losses(record: Path, out: Path) -> None:
    """Draw the losses (nats a token) and the learning rate of a run over its steps into a PNG.

    `record` is the run's JSONL: every line has `step` and `loss`, and may have `learning_rate` and
    `val_loss`. The faint line is the loss of single steps, the strong one their moving average.

    Raises:
        DataError: the record is missing, holds no step, or holds a line without `step` or `loss`.
    """
    lines = _read(record)
    steps = [line["step"] for line in lines]
    losses = [line["loss"] for line in lines]
    validated = [(line["step"], line["val_loss"]) for line in lines if "val_loss" in line]
    rates = [(line["step"], line["learning_rate"]) for line in lines if "learning_rate" in line]

    figure, loss_axes, rate_axes = _panels()
    loss_axes.plot(steps, losses, color=QUIET, linewidth=0.8, label="training, each step")
    loss_axes.plot(steps, smooth(losses), color=INK, linewidth=1.8, label="training, smoothed")
    if validated:
        loss_axes.plot(
            *zip(*validated, strict=True),
            color=ACCENT,
            linewidth=1.0,
            marker="o",
            markersize=4.5,
            label=f"validation, best {min(loss for _, loss in validated):.3f}",
        )
    loss_axes.set_ylim(*_limits(losses, [loss for _, loss in validated]))
    loss_axes.set_ylabel("loss (nats per token)")
    loss_axes.legend(frameon=False, loc="upper right")
    if rates:
        rate_axes.plot(*zip(*rates, strict=True), color=INK, linewidth=1.2)
        rate_axes.set_ylim(bottom=0)
    rate_axes.set_ylabel("learning\nrate")
    rate_axes.set_xlabel("step")
    figure.align_ylabels()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


def smooth(values: Sequence[float], share: float = 0.03) -> list[float]:
    """A centred moving average over about `share` of the run; values that are not finite are left
    out. Near the start the window shrinks, so that the steep first steps are not smeared."""
    half = max(1, round(share * len(values) / 2))
    sums, counts = [0.0], [0]
    for value in values:
        finite = math.isfinite(value)
        sums.append(sums[-1] + (value if finite else 0.0))
        counts.append(counts[-1] + finite)
    smoothed: list[float] = []
    for index in range(len(values)):
        reach = min(half, index)
        first, last = index - reach, min(len(values), index + reach + 1)
        count = counts[last] - counts[first]
        smoothed.append((sums[last] - sums[first]) / count if count else math.nan)
    return smoothed


def _read(record: Path) -> list[Line]:
    if not record.is_file():
        raise DataError(f"{record} is not there; name the record.jsonl of a run")
    lines = read_record(record)
    if not lines:
        raise DataError(f"{record} holds no step yet; draw it after the first one")
    for number, line in enumerate(lines, start=1):
        if "step" not in line or "loss" not in line:
            raise DataError(
                f"line {number} of {record} has no step and loss; name the record.jsonl of a run"
            )
    return lines


def _panels() -> tuple[Any, Any, Any]:
    """A figure with a tall panel over a thin one; untyped, as matplotlib's own types are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[5, 1])
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.margins(x=0.01)
    lower.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    return figure, upper, lower


def _limits(losses: Sequence[float], validated: Sequence[float]) -> tuple[float, float]:
    """Room for all but the first, highest losses, which would press the rest flat."""
    finite = sorted(loss for loss in [*losses, *validated] if math.isfinite(loss))
    if not finite:
        return 0.0, 1.0
    low, high = finite[0], finite[min(len(finite) - 1, int(0.99 * len(finite)))]
    high = max(high, *(loss for loss in validated if math.isfinite(loss)), low)
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room
