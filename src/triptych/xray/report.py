"""The whole X-ray of a model: its parts, a picture's way through it, and what that costs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from triptych.architectures import Architecture, find_architecture
from triptych.checkpoint.layouts import open_architecture
from triptych.errors import UsageError
from triptych.media import overlay_heatmap
from triptych.shapes import Tiles
from triptych.tasks import find_model, load
from triptych.xray.anatomy import Anatomy, anatomy
from triptych.xray.walk import Walk, walk


@dataclass(frozen=True, slots=True)
class Report:
    """What an X-ray shows."""

    name: str
    paper: str
    anatomy: Anatomy
    walk: Walk

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "paper": self.paper,
            "parameters": {**self.anatomy.panels, "total": self.anatomy.total},
            "parts": dict(self.anatomy.parts),
            **asdict(self.walk),
        }


def look_at(model: str, architecture: str, picture: Path | None, size: str) -> Report:
    """X-ray a model folder or a named architecture with a picture of some size.

    Raises:
        UsageError: neither or both are named, or the size is not WIDTHxHEIGHT.
    """
    if bool(model) == bool(architecture):
        raise UsageError("name either a model folder or --architecture NAME")
    design = (
        find_architecture(architecture)
        if architecture
        else open_architecture(find_model(model, weights=False))
    )
    height, width = _size_of(picture) if picture else _read_size(size)
    return Report(
        name=design.name,
        paper=design.paper,
        anatomy=anatomy(design.model),
        walk=_walk(design, height, width),
    )


def _walk(design: Architecture, height: int, width: int) -> Walk:
    return walk(design.model, design.processor, height, width)


def _size_of(picture: Path) -> tuple[int, int]:
    from triptych.media import open_image

    opened = open_image(picture)
    return opened.height, opened.width


def _read_size(size: str) -> tuple[int, int]:
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"--size must be WIDTHxHEIGHT in pixels, like 1000x700, got {size!r}")
    return int(height), int(width)


def draw_patch_norms(model: str, picture: Path, out: Path) -> Path:
    """Draw how large each patch's feature is over what the model sees of the picture.

    Outliers show as single cells. A picture that is padded or cropped first is drawn so; of one
    that is cut into tiles, the grid of tiles.
    """
    assistant = load(model)
    opened = assistant.processor.open(picture)
    encoded = assistant.processor.encode_image(opened)
    resized, _ = assistant.processor.config.resize.apply(opened)
    with torch.inference_mode():
        is_cut = encoded.tiles is not None
        pixels = encoded.pixels if is_cut else encoded.pixels[None]
        norms = assistant.model.vision(pixels).cells.square().sum(dim=-1).sqrt()
    norms = laid_out(norms, encoded.tiles)
    overlay_heatmap(resized, norms.cpu().numpy()).save(out)
    return out


def laid_out(
    numbers: Float[Tensor, "_tile row col"], tiles: Tiles | None
) -> Float[Tensor, "_row _col"]:
    """A number a patch, of one picture or of all tiles of its grid together."""
    if tiles is None or not tiles.rows:
        return numbers[0]
    grid = numbers[1:] if tiles.overview == "first" else numbers[:-1]
    return rearrange(grid, "(row col) y x -> (row y) (col x)", row=tiles.rows)


def print_report(report: Report) -> None:
    """Print the X-ray as two tables and a line on cost."""
    console = Console(highlight=False)
    console.print(f"{report.name}  {report.paper}".strip())
    table = Table("panel", box=None)
    table.add_column("parameters", justify="right")
    table.add_column("share", justify="right")
    total = report.anatomy.total
    for panel, count in report.anatomy.panels.items():
        table.add_row(panel, f"{count:,}", f"{count / total:.1%}")
        for part, number in report.anatomy.parts.items():
            if part.startswith(panel + ".") and number != count:
                table.add_row(f"  {part.partition('.')[2]}", f"{number:,}", "", style="dim")
    table.add_row("total", f"{total:,}", "100.0%", style="bold")
    console.print(table)
    _print_walk(console, report.walk)


def _print_walk(console: Console, walk: Walk) -> None:
    table = Table("step", "shape", "meaning", box=None)
    for step in walk.steps:
        table.add_row(step.name, " x ".join(map(str, step.shape)), step.meaning)
    console.print(table)
    (height, width), (new_height, new_width) = walk.original, walk.resized
    in_tiles = f" in {walk.num_tiles} tiles" if walk.num_tiles > 1 else ""
    console.print(
        f"a picture of {width} x {height} pixels is seen at {new_width} x {new_height}{in_tiles}, "
        "becomes "
        f"{walk.num_visual_tokens} visual tokens and takes {walk.num_slots} positions: "
        f"{walk.cache_bytes / 1e6:.2f} MB of key-value cache in float32"
    )
