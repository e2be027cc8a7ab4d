"""A profile as people read it: a table, and a picture with a bar a stage."""

import sys

from PIL import Image
from rich.console import Console
from rich.table import Table

from triptych.measure.peaks import GIGA
from triptych.measure.profile import Profile
from triptych.measure.stages import Stage
from triptych.media import Bar, bars

NONE = "-"


def print_profile(profile: Profile) -> None:
    """Print what each stage took, and how much of the machine it used."""
    # A pipe has no width of its own, and the usual 80 columns would cut the table.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    for line in headings(profile):
        console.print(line, soft_wrap=True)
    table = Table("stage", box=None, pad_edge=False)
    for column in ("ms", "from - to", "a second", "GFLOP/s", "GB/s", "of the peak", "GB held"):
        table.add_column(column, justify="right", no_wrap=True)
    for stage in profile.measured.stages:
        table.add_row(stage.name, *_cells(profile, stage))
    console.print(table)
    for line in endings(profile):
        console.print(line, soft_wrap=True)


def _cells(profile: Profile, stage: Stage) -> list[str]:
    share = profile.share(stage)
    counted = [NONE] * 3
    if share is not None:
        counted = [
            _short(stage.operations_per_second / GIGA),
            _short(stage.bytes_per_second / GIGA),
            f"{share[0]:.0%} {share[1]}",
        ]
    return [
        _short(stage.ms),
        f"{_short(min(stage.times_ms))}-{_short(max(stage.times_ms))}",
        f"{_many(stage.per_second)} {stage.unit}",
        *counted,
        f"{stage.peak_memory_bytes / GIGA:.2f}",
    ]


def headings(profile: Profile) -> list[str]:
    """What was measured, and what the machine can do."""
    measured, peaks, machine = profile.measured, profile.peaks, profile.machine
    precision = f"{profile.dtype}, {profile.quantize}" if profile.quantize else profile.dtype
    threads = "1 thread" if peaks.num_threads == 1 else f"{peaks.num_threads} threads"
    gemm = ", ".join(f"{kind} {rate / GIGA:.0f}" for kind, rate in peaks.gemm.items())
    pictures = "no picture"
    if measured.num_pictures:
        noun = "picture" if measured.num_pictures == 1 else "pictures"
        pictures = f"{measured.num_pictures} {noun}, {measured.num_visual} visual tokens"
    return [
        f"{profile.model} in {precision}: {measured.num_prompt_tokens} tokens of prompt, "
        f"{pictures}",
        f"{machine.cpu}, {threads}: GEMM {gemm} GFLOP/s; reads {peaks.read / GIGA:.1f} GB/s",
    ]


def endings(profile: Profile) -> list[str]:
    """What the stages come to."""
    measured, step = profile.measured, profile.measured.served_step_ms
    more = "" if step is None else f", {_short(step)} ms a token"
    return [
        f"first token after {_short(measured.first_token_ms)} ms, "
        f"{measured.num_new_tokens} more after {_short(measured.answer_ms)} ms; "
        f"key-value cache {measured.cache_bytes / 1e6:.1f} MB",
        f"by the engine: first token after {_short(measured.served_first_ms)} ms{more}",
    ]


def draw_profile(profile: Profile) -> Image.Image:
    """A bar a stage, as long as its time in the whole answer; the filled part is the time that
    the machine needs at least."""
    measured = profile.measured
    rows: list[Bar] = []
    for stage in measured.stages:
        times = measured.num_new_tokens if stage.name == "decode" else 1
        share = profile.share(stage)
        told = f"{_short(stage.ms)} ms"
        if times > 1:
            told = f"{_short(stage.ms * times)} ms, {_short(stage.ms)} a token"
        if share is not None:
            told += f"; {share[0]:.0%} of the {share[1]} peak"
        rows.append(
            Bar(
                label=stage.name,
                length=stage.ms * times,
                filled=0.0 if share is None else min(1.0, share[0]),
                text=told,
            )
        )
    title, machine = headings(profile)
    legend = "dark: the least time at the peak of this machine"
    return bars(rows, title, [machine, *endings(profile), legend])


def _short(number: float) -> str:
    """Three digits that matter, without exponents."""
    if number >= 100:
        return f"{number:,.0f}"
    if number >= 10:
        return f"{number:.1f}"
    return f"{number:.2f}" if number >= 0.1 else f"{number:.2g}"


def _many(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{_short(number / (1e3 if letter == 'k' else size))} {letter}"
    return _short(number)
