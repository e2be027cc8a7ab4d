"""What was found, for a person: a table, findings with their cures, bars, a sample in colours.

prompt dim    labels green    special tokens magenta    a picture's slots as one block
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from triptych.inputs import IGNORED
from triptych.preflight.findings import Finding, count_kinds
from triptych.preflight.looked import Looked
from triptych.preflight.memory import TrainingForecast
from triptych.processor import Processor, Sample
from triptych.xray.forecast import gigabytes

SHOWN = 3
"""Findings of each kind that are listed; the rest are counted."""

_BAR = 40


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values lie from `low` up to `high`."""

    low: int
    high: int
    count: int


def histogram(values: Sequence[int], num_bins: int = 8) -> list[Bin]:
    """Values counted in bins of equal width."""
    if not values:
        return []
    low, high = min(values), max(values)
    width = max(1, -(-(high - low + 1) // num_bins))
    counts = [0] * -(-(high - low + 1) // width)
    for value in values:
        counts[(value - low) // width] += 1
    edges = [low + number * width for number in range(len(counts))]
    return [
        Bin(edge, min(edge + width - 1, high), n) for edge, n in zip(edges, counts, strict=True)
    ]


def coloured(processor: Processor, sample: Sample) -> Text:
    """A sample as the model reads it: what is learned, what is not, and where pictures stand."""
    specials = set(processor.tokenizer.special_tokens.values())
    blocks = {span.start: (number, span) for number, span in enumerate(sample.spans)}
    slots = {place for span in sample.spans for place in span.positions}
    text, run, style = Text(), list[int](), ""
    branch = 0

    def flush() -> None:
        text.append(processor.tokenizer.decode(run, skip_special=False), style)
        run.clear()

    rows = enumerate(zip(sample.token_ids, sample.labels, sample.branches, strict=True))
    for index, (id, label, own) in rows:
        is_learned = label != IGNORED
        wanted = "green" if is_learned else "dim"
        if id in specials:
            wanted = "bold green" if is_learned else "magenta"
        if index in slots and not is_learned:
            flush()
            if index in blocks:
                number, span = blocks[index]
                text.append(f"[picture {number}: {span.num_slots} slots]", "reverse cyan")
            continue
        if wanted != style or own != branch:
            flush()
            style = wanted
        if own != branch:
            text.append(f"\n-- question {own}: ", "cyan")
            branch = own
        run.append(id)
    flush()
    return text


def print_looked(looked: Looked, processor: Processor, console: Console) -> None:
    """Print the table of sources, the findings, the bars and one sample."""
    table = Table("source", box=None)
    for name in ("samples", "looked at", "unusable", "filtered", "cut"):
        table.add_column(name, justify="right")
    for each in looked.sources:
        numbers = each.num_samples, each.num_looked, each.num_unusable, each.num_filtered
        table.add_row(each.name, *(f"{number:,}" for number in (*numbers, each.num_cut)))
    console.print(table)
    speed = looked.num_looked / max(looked.seconds, 1e-9)
    console.print(f"{looked.num_looked:,} samples in {looked.seconds:.1f} s, {speed:,.0f} a second")
    print_findings(looked.findings, console)
    print_bars("visual tokens of a picture", looked.visual_tokens, console)
    print_bars("tokens of a sample", looked.lengths, console)
    if looked.example is not None:
        console.print(f"\nsample {looked.example.sample_id} (learned: green)", style="bold")
        console.print(coloured(processor, looked.example))


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print how often each kind was found, and the first of each with its cure."""
    if not findings:
        console.print("nothing was found")
    for kind, count in count_kinds(findings).items():
        own = [each for each in findings if each.kind == kind]
        spoils = any(each.spoils for each in own)
        verdict = "would spoil the run" if spoils else "the run goes on"
        console.print(Text(f"{kind}: {count:,} ({verdict})", "bold red" if spoils else "yellow"))
        for each in own[:SHOWN]:
            console.print(Text(f"  {each.sample_id}: {each.what}; {each.fix}"))
        if count > SHOWN:
            console.print(f"  and {count - SHOWN:,} more; --json lists all")


def print_bars(title: str, values: Sequence[int], console: Console) -> None:
    """Print values as bars, a row a bin."""
    bins = histogram(values)
    if not bins:
        return
    console.print(f"\n{title}: {min(values):,} to {max(values):,}", style="bold")
    most = max(each.count for each in bins)
    width = len(f"{bins[-1].high:,}")
    for each in bins:
        bar = "█" * max(each.count > 0, round(_BAR * each.count / most))
        console.print(f"{each.low:>{width},} - {each.high:<{width},}  {bar} {each.count:,}")


def print_training(forecast: TrainingForecast, console: Console) -> None:
    """Print what a stage will take."""
    table = Table("takes", box=None)
    table.add_column("memory", justify="right")
    for name in ("weights", "gradients", "optimizer", "activations", "program", "total"):
        table.add_row(name, gigabytes(getattr(forecast, name)))
    console.print(table)
    line = f"{forecast.num_steps:,} steps, a checkpoint takes {gigabytes(forecast.checkpoint)}"
    if forecast.seconds_per_step is not None:
        line += f"; {3600 / forecast.seconds_per_step:,.0f} steps an hour, {forecast.hours:.2f} h"
    console.print(line + " (memory is an estimate)")


def print_ratios(ratios: Mapping[str, tuple[float, float, float]], console: Console) -> None:
    """Print what was foreseen beside what happened."""
    table = Table("", "foreseen", "happened", "ratio", box=None)
    for name, (foreseen, happened, ratio) in ratios.items():
        table.add_row(name, f"{foreseen:,.3f}", f"{happened:,.3f}", f"{ratio:.2f}")
    console.print(table)


def draw_histograms(looked: Looked, out: Path) -> None:
    """Draw both histograms into a PNG.

    Raises:
        OSError: the place cannot be written to.
    """
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.use("Agg")
    figure = Figure(figsize=(9.0, 3.5), layout="constrained")
    drawn = {
        "visual tokens of a picture": looked.visual_tokens,
        "tokens of a sample": looked.lengths,
    }
    for number, (title, values) in enumerate(drawn.items(), start=1):
        axes: Any = figure.add_subplot(1, 2, number)
        bins = histogram(values, 24)
        edges = [each.low for each in bins]
        widths = [each.high - each.low + 1 for each in bins]
        axes.bar(edges, [each.count for each in bins], width=widths, align="edge", color="#1f4e79")
        axes.set_title(title)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def as_dict(looked: Looked) -> dict[str, object]:
    """All that was found as plain values, for JSON."""
    return {
        "spoils": looked.spoils,
        "sources": [
            {
                "name": each.name,
                "samples": each.num_samples,
                "looked_at": each.num_looked,
                "unusable": each.num_unusable,
                "filtered": each.num_filtered,
                "cut": each.num_cut,
            }
            for each in looked.sources
        ],
        "counts": count_kinds(looked.findings),
        "findings": [each.as_dict() for each in looked.findings],
        "visual_tokens": [
            {"from": each.low, "to": each.high, "count": each.count}
            for each in histogram(looked.visual_tokens)
        ],
        "tokens": [
            {"from": each.low, "to": each.high, "count": each.count}
            for each in histogram(looked.lengths)
        ],
        "samples_per_second": looked.num_looked / max(looked.seconds, 1e-9),
    }
