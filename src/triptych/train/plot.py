"""The picture of a run: how the loss fell, by which gradients, on which learning rate.

Matplotlib is slow to import and needs no screen here, so it is imported inside and drawn with Agg.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.errors import DataError
from triptych.train.record import Line, read_record

INK, QUIET, ACCENT = "#1f4e79", "#9db4c8", "#c0562b"

PANEL_COLOURS = {
    "all": QUIET,
    "vision": "#2f7d4f",
    "connector": "#b8860b",
    "fusion": "#7a3e9d",
    "language": INK,
}
GATE_COLOURS = {"attention": "#7a3e9d", "mlp": "#2f7d4f"}


Curve = Sequence[tuple[int, float]]
"""Values of a record by step."""


def plot_run(record: Path, out: Path) -> None:
    """Draw a run over its steps into a PNG: losses (nats a token) above, learning rate below.

    `record` is the run's JSONL: every line has `step` and `loss`, and may have `learning_rate` and
    `val_loss`. The faint line is the loss of single steps, the strong one their moving average.
    Between them are norms of the gradient, panel by panel, and openings of gates, where the record
    has any.

    Raises:
        DataError: the record is missing, holds no step, or holds a line without `step` or `loss`.
    """
    lines = _read(record)
    norms, gates = _curves(lines, "gradient_norm"), _curves(lines, "gate_")
    figure, axes = _axes(bool(norms) + bool(gates))
    _draw_losses(axes[0], lines)
    if norms:
        _draw_norms(axes[1], norms)
    if gates:
        _draw_gates(axes[-2], gates)
    _draw_rates(axes[-1], _curves(lines, "learning_rate"))
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


def _curves(lines: Sequence[Line], prefix: str) -> dict[str, Curve]:
    """What the record has under names that begin so."""
    names = dict.fromkeys(name for line in lines for name in line if name.startswith(prefix))
    return {name: [(line["step"], line[name]) for line in lines if name in line] for name in names}


def _axes(num_between: int) -> tuple[Any, Any]:
    """A figure with a tall panel over thin ones; untyped, as matplotlib's own types are."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(8, 5 + 1.5 * num_between), layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [5, *[1.8] * num_between, 1]
    drawn = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    for axes in drawn:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.margins(x=0.01)
    drawn[-1].set_xlabel("step")
    return figure, drawn


def _draw_losses(axes: Any, lines: Sequence[Line]) -> None:
    steps = [line["step"] for line in lines]
    losses = [line["loss"] for line in lines]
    validated = [(line["step"], line["val_loss"]) for line in lines if "val_loss" in line]
    axes.plot(steps, losses, color=QUIET, linewidth=0.8, label="training, each step")
    axes.plot(steps, smooth(losses), color=INK, linewidth=1.8, label="training, smoothed")
    if validated:
        axes.plot(
            *zip(*validated, strict=True),
            color=ACCENT,
            linewidth=1.0,
            marker="o",
            markersize=4.5,
            label=f"validation, best {min(loss for _, loss in validated):.3f}",
        )
    axes.set_ylim(*_limits(losses, [loss for _, loss in validated]))
    axes.set_ylabel("loss (nats per token)")
    axes.legend(frameon=False, loc="upper right")


def _draw_norms(axes: Any, norms: Mapping[str, Curve]) -> None:
    """Smoothed and on a logarithmic scale, on which a norm of 0 has no place."""
    shown: list[float] = []
    for name, curve in norms.items():
        panel = name.removeprefix("gradient_norm").removeprefix("_") or "all"
        values = [value if value > 0 else math.nan for value in smooth([v for _, v in curve])]
        colour = PANEL_COLOURS.get(panel, QUIET)
        axes.plot([step for step, _ in curve], values, color=colour, linewidth=1.2, label=panel)
        shown += filter(math.isfinite, values)
    if shown:
        axes.set_ylim(min(shown) / 1.5, 1.5 * max(shown))
        axes.set_yscale("log")
    axes.set_ylabel("gradient\nnorm")
    axes.legend(frameon=False, loc="upper right", ncols=len(norms), fontsize="small")


def _draw_gates(axes: Any, gates: Mapping[str, Curve]) -> None:
    """One line a layer, those of attention and those of MLPs each in one colour."""
    named: set[str] = set()
    for name, curve in gates.items():
        kind = name.split("_")[1]
        label = "_" if kind in named else {"mlp": "MLP"}.get(kind, kind)
        named.add(kind)
        colour = GATE_COLOURS.get(kind, QUIET)
        axes.plot(*zip(*curve, strict=True), color=colour, linewidth=1.2, label=label)
    axes.set_ylabel("gates")
    axes.legend(frameon=False, loc="upper left", ncols=len(named), fontsize="small")


def _draw_rates(axes: Any, rates: Mapping[str, Curve]) -> None:
    for curve in rates.values():
        axes.plot(*zip(*curve, strict=True), color=INK, linewidth=1.2)
        axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    axes.set_ylabel("learning\nrate")


def _limits(losses: Sequence[float], validated: Sequence[float]) -> tuple[float, float]:
    """Room for all but the first, highest losses, which would press the rest flat."""
    finite = sorted(loss for loss in [*losses, *validated] if math.isfinite(loss))
    if not finite:
        return 0.0, 1.0
    low, high = finite[0], finite[min(len(finite) - 1, int(0.99 * len(finite)))]
    high = max(high, *(loss for loss in validated if math.isfinite(loss)), low)
    room = 0.05 * (high - low) or 0.1
    return low - room, high + room
