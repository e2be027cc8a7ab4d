"""How cost grows with the size of a picture and with the length of the context.

python benchmarks/growth.py --shape mini --keep
python benchmarks/growth.py --shape 2b --blocks 2 --threads 2 --keep

One question about one picture of 224 to 2240 pixels a side, and one of 128 to 8192 tokens without a
picture, stage by stage on random weights. Of each column the exponent of its growth is fitted over
the larger half: 1 is in proportion to the picture's area or to the tokens, 2 is quadratic. With
`--blocks` each panel has so many blocks instead of all of its own: the blocks grow alike.
"""

import argparse
import ctypes
import gc
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from recording import add_options, record, table

from triptych.architectures import Architecture, find_architecture
from triptych.checkpoint.model_folder import LoadedModel
from triptych.measure.fresh import fresh_model
from triptych.measure.machine import this_machine
from triptych.measure.memory import resident_bytes
from triptych.measure.picture import write_picture
from triptych.measure.stages import Stages, measure_stages
from triptych.media import NativeResizeConfig

SHAPES = {"mini": "mini", "2b": "qwen2_vl_2b", "debug": "qwen2_vl_debug"}

SIDES = (224, 448, 672, 896, 1120, 1568, 2240)
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)

MAX_TOKENS = 16_384
"""Longest prompt; these shapes were published with as much or more, but for mini."""

COLUMNS = ("vision", "connector", "prefill", "decode", "memory")
"""Times in milliseconds, of decoding for one token; memory in MB beyond what the model takes."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one size took."""

    size: int
    """Side of the picture in pixels, or tokens of text."""
    num_tokens: int
    """Of the prompt."""
    amount: float
    """What growth is told over: visual tokens, or tokens of the prompt."""
    costs: dict[str, float]
    """By column."""


def main() -> None:
    """Measure, print, draw."""
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    loaded = fresh_model(shaped(arguments.shape, arguments.blocks))
    measure_stages(loaded, [], num_new_tokens=1, repeats=1, asks_engine=False)
    before = held_bytes()
    pictures = [
        _picture(loaded, side, arguments.repeats, before)
        for side in SIDES
        if side <= arguments.most_pixels
    ]
    texts = [
        _text(loaded, length, arguments.repeats, before)
        for length in LENGTHS
        if length <= arguments.most_tokens
    ]
    name = f"growth of {loaded.architecture.name}"
    if arguments.blocks:
        name += f" with {arguments.blocks} blocks a panel"
    figures = {
        "shape": loaded.architecture.name,
        "blocks": arguments.blocks,
        "threads": torch.get_num_threads(),
        "pictures": [vars(point) for point in pictures],
        "texts": [vars(point) for point in texts],
        "exponents": {"pictures": exponents(pictures), "texts": exponents(texts)},
    }
    text = "\n\n".join(
        [
            f"Milliseconds and MB at {torch.get_num_threads()} threads; decode is one token.",
            _told("picture", "visual tokens", pictures, "{0} x {0}"),
            _told("text", "tokens", texts, "{0}"),
        ]
    )
    if arguments.keep:
        drawn = f"growth-{arguments.shape}-{this_machine().name}.png"
        arguments.results.mkdir(parents=True, exist_ok=True)
        plot(pictures, texts, arguments.results / drawn, name)
        text += f"\n\n![{name}]({drawn})"
    record(arguments, name, figures, text)


def shaped(shape: str, blocks: int | None) -> Architecture:
    """A shape for pictures and texts of any size, with fewer blocks where a number is given."""
    architecture = find_architecture(SHAPES[shape])
    resize, model = architecture.processor.resize, architecture.model
    assert isinstance(resize, NativeResizeConfig)
    resize = replace(resize, max_pixels=max(SIDES) ** 2)
    if blocks is not None:
        vision, language = (replace(each, depth=blocks) for each in (model.vision, model.language))
        model = replace(model, vision=vision, language=language)
    processor = replace(architecture.processor, resize=resize, max_tokens=MAX_TOKENS)
    return replace(architecture, model=model, processor=processor)


def exponents(points: Sequence[Point]) -> dict[str, float]:
    """Of every column's growth over the larger half of the sizes."""
    larger = points[len(points) // 2 :]
    columns = [column for column in COLUMNS if all(column in each.costs for each in larger)]
    amounts = [each.amount for each in larger]
    return {
        column: exponent(amounts, [each.costs[column] for each in larger]) for column in columns
    }


def exponent(amounts: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of a straight line through the logarithms; not a number where there is none."""
    pairs = [
        (math.log(x), math.log(y)) for x, y in zip(amounts, costs, strict=True) if x > 0 and y > 0
    ]
    if len(pairs) < 2:
        return math.nan
    mean_x, mean_y = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    across = sum((x - mean_x) ** 2 for x, _ in pairs)
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / across if across else math.nan


def _picture(loaded: LoadedModel, side: int, repeats: int, before: int) -> Point:
    with TemporaryDirectory() as folder:
        path = write_picture(Path(folder) / "picture.jpg", side, side)
        return _measured(loaded, [path], "What is it?", side, repeats, before)


def _text(loaded: LoadedModel, length: int, repeats: int, before: int) -> Point:
    around, more = _num_tokens(loaded, "red"), _num_tokens(loaded, "red" + " red" * 10)
    num_words = round((length - around) / (more - around) * 10)
    return _measured(loaded, [], "red" + " red" * num_words, length, repeats, before)


def _num_tokens(loaded: LoadedModel, question: str) -> int:
    messages = [{"role": "user", "content": question}]
    return len(loaded.processor.encode(messages, add_generation_prompt=True).token_ids)


def _measured(
    loaded: LoadedModel,
    pictures: Sequence[Path],
    question: str,
    size: int,
    repeats: int,
    before: int,
) -> Point:
    held_bytes()
    measured = measure_stages(
        loaded, pictures, question, num_new_tokens=4, repeats=repeats, asks_engine=False
    )
    names = [stage.name for stage in measured.stages]
    costs = {column: measured[column].ms for column in COLUMNS if column in names}
    costs["memory"] = (_peak(measured) - before) / 1e6
    print(f"{size}: {costs}", file=sys.stderr)
    amount = measured.num_visual if pictures else measured.num_prompt_tokens
    return Point(size=size, num_tokens=measured.num_prompt_tokens, amount=amount, costs=costs)


def held_bytes() -> int:
    """What is resident when all that is free has been given back to the system."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return resident_bytes()


def _peak(measured: Stages) -> int:
    return max(stage.peak_memory_bytes for stage in measured.stages)


def _told(kind: str, unit: str, points: Sequence[Point], form: str) -> str:
    """A table, the last row of which tells how each column grows."""
    columns = [column for column in COLUMNS if column in points[0].costs]
    header = [kind, unit, *columns]
    rows = [
        [form.format(each.size), f"{each.amount:,.0f}"]
        + [f"{each.costs[column]:,.1f}" for column in columns]
        for each in points
    ]
    fitted = exponents(points)
    rows.append(["exponent", ""] + [f"{fitted[column]:.2f}" for column in columns])
    return table(header, rows)


def plot(pictures: Sequence[Point], texts: Sequence[Point], out: Path, title: str) -> None:
    """Both growths on logarithmic axes, beside lines that are in proportion and quadratic."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, points, unit in zip(
        figure.subplots(1, 2), (pictures, texts), ("visual tokens", "tokens of text"), strict=True
    ):
        amounts = [each.amount for each in points]
        for column, colour in zip(COLUMNS, COLOURS, strict=True):
            if column in points[0].costs:
                costs = [each.costs[column] for each in points]
                style = "--" if column == "memory" else "-"
                axes.loglog(amounts, costs, style, marker="o", color=colour, label=column)
        _guides(axes, amounts, max(points[0].costs.values()))
        axes.set_xlabel(unit)
        axes.set_ylabel("milliseconds; MB of memory")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e6e6e6", linewidth=0.6)
        axes.legend(frameon=False)
    figure.savefig(out, dpi=150)


COLOURS = ("#1f4e79", "#6b8fb0", "#c0562b", "#3a7d44", "#7a7a7a")
"""Of the columns."""


def _guides(axes: object, amounts: Sequence[float], start: float) -> None:
    for power, label in ((1, "in proportion"), (2, "quadratic")):
        line = [start * (amount / amounts[0]) ** power for amount in amounts]
        axes.loglog(amounts, line, ":", color="#b8b8b8", linewidth=0.9)
        axes.annotate(label, (amounts[-1], line[-1]), fontsize=7, color="#9a9a9a", ha="right")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument("--blocks", type=int, help="of each panel, instead of all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--most-pixels", type=int, default=SIDES[-1], help="largest side")
    parser.add_argument("--most-tokens", type=int, default=LENGTHS[-1], help="longest text")
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
