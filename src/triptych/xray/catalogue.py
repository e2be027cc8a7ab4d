"""The models there are: embedded, native, in the Hub's local cache, and in folders.

Parameters are counted from configurations. All blocks of a panel are alike, so two panels of one
and of two blocks tell how many parameters any number of them has; nothing large is built.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from torch import nn

from triptych.architectures import ARCHITECTURES, SCORERS, Architecture, find_architecture
from triptych.checkpoint.files import read_json
from triptych.checkpoint.hub import cached_models
from triptych.checkpoint.layouts import open_architecture
from triptych.checkpoint.model_folder import CONFIG
from triptych.checkpoint.scorers import import_scorer_architecture
from triptych.errors import TriptychError
from triptych.fusion.gated import GatedConfig
from triptych.fusion.vlm import PANELS, VLMConfig
from triptych.language import DecoderConfig
from triptych.published.families.scorers import SCORER_FAMILIES, find_scorer_family
from triptych.published.families.vlms import FAMILIES
from triptych.tasks import embedded_models
from triptych.tasks.finding import MODEL
from triptych.vision import VisionConfig, ViTConfig
from triptych.xray.anatomy import anatomy, without_weights
from triptych.xray.forecast import gigabytes, read_size, shown

PICTURE = "1024x768"
"""The picture whose tokens are told."""

CARD = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model."""

    name: str
    """What `--model` takes; for `native`, what `xray --architecture` takes."""

    kind: str
    """`embedded`, `native` (an architecture without weights), `cached` or `folder`."""

    parameters: dict[str, int]
    """By panel; empty where its settings cannot be read."""

    visual_tokens: int | None
    """Of a picture of 1024 x 768 pixels; None for a model that does not generate."""

    licence: str
    """As its card says; empty where that says nothing."""

    note: str = ""
    """Why its settings cannot be read."""

    @property
    def total(self) -> int:
        return sum(self.parameters.values())

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON; weights in bytes."""
        return {
            "name": self.name,
            "kind": self.kind,
            "parameters": {**self.parameters, "total": self.total},
            "visual_tokens": self.visual_tokens,
            "bfloat16_bytes": 2 * self.total,
            "float32_bytes": 4 * self.total,
            "licence": self.licence or None,
            **({"note": self.note} if self.note else {}),
        }


def list_models(folders: Sequence[Path] = (), *, debug: bool = False) -> Iterator[Entry]:
    """Every model there is: embedded, in these folders, in the Hub's local cache, native.

    Args:
        folders: Looked into besides, with the folders right in them.
        debug: Whether the twins for tests are listed too.
    """
    for name, folder in embedded_models().items():
        yield _of_folder(name, "embedded", folder)
    for folder in _models_in(folders):
        yield _of_folder(str(folder), "folder", folder)
    for hub_name, folder in cached_models().items():
        yield _of_folder(str(hub_name), "cached", folder)
    for name in ARCHITECTURES:
        if debug or not name.endswith("_debug"):
            design = find_architecture(name)
            yield _generating(name, "native", design, "")
    for name, make in SCORERS.items():
        if debug or not name.endswith("_debug"):
            panels = dict(anatomy(make().model).panels)
            yield _entry(name, "native", panels, None, "")


def families() -> dict[str, list[str]]:
    """Families whose published checkpoints can be read, with what their settings call them."""
    known = [*FAMILIES, *SCORER_FAMILIES]
    return {family.title: list(family.model_types) for family in known}


def _of_folder(name: str, kind: str, folder: Path) -> Entry:
    licence = read_licence(folder / CARD)
    try:
        if _is_scorer(folder):
            panels = dict(anatomy(import_scorer_architecture(folder).model).panels)
            return _entry(name, kind, panels, None, licence)
        return _generating(name, kind, open_architecture(folder), licence)
    except TriptychError as error:
        return _entry(name, kind, {}, None, licence, str(error))


def _is_scorer(folder: Path) -> bool:
    settings = read_json(folder / CONFIG)
    return isinstance(settings, dict) and (
        find_scorer_family(cast(dict[str, Any], settings)) is not None
    )


def _generating(name: str, kind: str, design: Architecture, licence: str) -> Entry:
    seen, tiles = shown(design, *read_size(PICTURE))
    tokens = design.model.num_visual_tokens(*seen, tiles)
    return _entry(name, kind, count_panels(design.model), tokens, licence)


def _entry(
    name: str,
    kind: str,
    parameters: dict[str, int],
    visual_tokens: int | None,
    licence: str,
    note: str = "",
) -> Entry:
    return Entry(
        name=name,
        kind=kind,
        parameters=parameters,
        visual_tokens=visual_tokens,
        licence=licence,
        note=note,
    )


def _models_in(folders: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        for inside in (folder, *sorted(folder.iterdir())):
            for candidate in (inside, inside / MODEL):
                if (candidate / CONFIG).is_file() and candidate not in seen:
                    seen.add(candidate)
                    yield candidate


def read_licence(card: Path) -> str:
    """What the front matter of a model card calls its licence; empty where it says nothing."""
    if not card.is_file():
        return ""
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != "---":
        return ""
    found = {"license": "", "license_name": ""}
    for line in lines[1:]:
        key, colon, value = line.partition(":")
        if line.strip() == "---":
            break
        if colon and key in found:
            found[key] = value.strip().strip("'\"")
    # `other` has its name beside it.
    is_named = found["license"] in ("", "other") and found["license_name"]
    return found["license_name"] if is_named else found["license"]


# -- counting -------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def count_panels(model: VLMConfig) -> dict[str, int]:
    """Parameters of each panel, without building more than two blocks of any."""
    with without_weights():
        connector = model.connector.build(
            vision_dim=model.vision.dim, language_dim=model.language.dim
        )
        counted = {
            "vision": _count_vision(model.vision),
            "connector": _size(connector),
            "fusion": _count_fusion(model, connector.out_dim),
            "language": _count_language(model.language),
        }
    return {panel: counted[panel] for panel in PANELS}


def _count_vision(config: VisionConfig) -> int:
    if not isinstance(config, ViTConfig):
        return _size(config.build())
    least = config.depth - config.num_blocks + 1  # with one block built
    one, two = (
        _size(replace(config, depth=least + more, whole_blocks=()).build()) for more in (0, 1)
    )
    return one + (config.num_blocks - 1) * (two - one)


def _count_language(config: DecoderConfig) -> int:
    one, two = (_size(replace(config, depth=depth).build()) for depth in (1, 2))
    return one + (config.depth - 1) * (two - one)


def _count_fusion(model: VLMConfig, visual_dim: int) -> int:
    fusion, depth = model.fusion, model.language.depth
    every = fusion.every if isinstance(fusion, GatedConfig) else depth
    one = fusion.build(num_layers=1, language_dim=model.language.dim, visual_dim=visual_dim)
    return -(-depth // every) * _size(one)


def _size(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


# -- as people read it ----------------------------------------------------------------------------

TITLES = {
    "embedded": "embedded: come with the package",
    "folder": "in folders",
    "cached": "in the local cache of the Hub",
    "native": "native: architectures by name, without weights",
}
"""What stands above each kind."""

WIDTH = 120
"""Columns where stdout is no terminal."""


def print_models(entries: Sequence[Entry]) -> None:
    """Print a table for each kind, and the families that can be read."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    for kind, title in TITLES.items():
        rows = [entry for entry in entries if entry.kind == kind]
        if rows:
            console.print(title, style="bold")
            console.print(_table(rows))
    console.print("published checkpoints of these families can be read", style="bold")
    console.print(", ".join(sorted(families())), soft_wrap=True)


def _table(entries: Sequence[Entry]) -> Table:
    has_fusion = any(entry.parameters.get("fusion") for entry in entries)
    panels = [panel for panel in PANELS if panel != "fusion" or has_fusion]
    table = Table("model", box=None)
    for name in (*panels, "together", "tokens", "bfloat16", "float32"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("licence")
    for entry in entries:
        if not entry.parameters:
            table.add_row(entry.name, *[""] * (len(panels) + 4), entry.note or entry.licence)
            continue
        table.add_row(
            entry.name,
            *(short(entry.parameters.get(panel, 0)) for panel in panels),
            short(entry.total),
            "" if entry.visual_tokens is None else f"{entry.visual_tokens:,}",
            gigabytes(2 * entry.total),
            gigabytes(4 * entry.total),
            entry.licence,
        )
    return table


def short(count: int) -> str:
    """A count as people say it; nothing for none."""
    if not count:
        return ""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= unit:
            return f"{count / unit:.{1 if count < 10 * unit else 0}f}{letter}"
    return str(count)
