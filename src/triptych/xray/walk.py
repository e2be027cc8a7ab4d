"""From pixels to logits: the shape at every step, and what a picture costs the language model."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from triptych.fusion.vlm import VLM, VLMConfig
from triptych.media import TilingConfig
from triptych.nn.block import Block
from triptych.processor import ProcessorConfig
from triptych.shapes import Tiles
from triptych.xray.anatomy import build_on_meta


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way."""

    name: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class Walk:
    """What becomes of a picture."""

    original: tuple[int, int]
    """Height and width as given, in pixels."""
    resized: tuple[int, int]
    """Height and width that the picture is given, in tiles those of all tiles of the grid."""
    num_tiles: int
    """Pictures that the vision panel sees; 1 unless the model cuts pictures into tiles."""
    num_visual_tokens: int
    num_slots: int
    """Positions of the sequence that the picture takes, those of words around its tiles apart."""
    cache_bytes: int
    """Key-value cache that these positions take, at the given bytes a number."""
    steps: tuple[Step, ...]


def walk(
    model: VLMConfig,
    processor: ProcessorConfig,
    height: int,
    width: int,
    *,
    num_text_tokens: int = 16,
    bytes_per_number: int = 4,
) -> Walk:
    """Follow a picture of that size through the model, without weights or pixels."""
    policy = processor.resize
    resized = seen = policy.target_size(height, width)
    tiles = None
    if isinstance(policy, TilingConfig):
        tiles, seen = policy.tiles(height, width), (policy.tile_size, policy.tile_size)
    num_slots = model.num_slots(*seen, tiles=tiles)
    built = build_on_meta(model)
    with torch.device("meta"), torch.inference_mode(), _skimmed(built):
        steps = _steps(built, seen, tiles, num_slots + num_text_tokens)
    return Walk(
        original=(height, width),
        resized=resized,
        num_tiles=1 if tiles is None else tiles.num_tiles,
        num_visual_tokens=model.num_visual_tokens(*seen, tiles),
        num_slots=num_slots,
        cache_bytes=num_slots * cache_bytes_per_token(model, bytes_per_number),
        steps=steps,
    )


def cache_bytes_per_token(model: VLMConfig, bytes_per_number: int = 4) -> int:
    """Keys and values of one position over all layers."""
    language = model.language
    return 2 * language.depth * language.num_kv_heads * language.head_width * bytes_per_number


@contextmanager
def _skimmed(model: VLM) -> Generator[None]:
    """Blocks pass their input on inside: it has the shape of their output, and working that out
    for each of some sixty blocks would take seconds."""
    blocks = [module for module in model.modules() if isinstance(module, Block)]
    for block in blocks:
        block.forward = _unchanged
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _unchanged(hidden: Tensor, **_: object) -> Tensor:
    return hidden


def _steps(
    model: VLM, seen: tuple[int, int], tiles: Tiles | None, num_tokens: int
) -> tuple[Step, ...]:
    pixels = torch.empty(1 if tiles is None else tiles.num_tiles, 3, *seen)
    seen_as = "picture" if tiles is None else "tile"
    steps = [_step("pixels", pixels, f"{seen_as}, channel, height, width")]
    steps += _vision_steps(model.vision.intermediates(pixels), seen_as)
    features = model.vision(pixels)
    steps.append(_step("vision: cells", features.cells, "what the connector reads"))
    if features.prefix.shape[1]:
        steps.append(_step("vision: prefix", features.prefix, "class token, in front of the cells"))
    visual = model.connector(features)
    steps.append(_step("connector", visual, f"{seen_as}, visual tokens, width"))
    if tiles is not None:
        joined = model.join(visual, features.grid, tiles)
        steps.append(_step("all tiles", joined, "visual tokens, width"))
    embeddings = torch.empty(1, num_tokens, model.language.config.dim)
    steps.append(_step("sequence", embeddings, "batch, slots and text, width"))
    ids = torch.zeros(1, num_tokens, dtype=torch.long)
    position_ids = ids.expand(3, 1, num_tokens) if _has_axes(model) else ids
    hidden = model.language(embeddings, position_ids=position_ids)
    steps.append(_step("language: hidden", hidden, "batch, position, width"))
    logits = model.language.head(hidden[:, -1:])
    steps.append(_step("language: logits", logits, "batch, last position, vocabulary"))
    return tuple(steps)


def _vision_steps(intermediates: Mapping[str, Tensor], seen_as: str) -> list[Step]:
    """One step for every shape: equal layers in a row (`blocks.0` to `blocks.23`) become one."""
    layers = [(name, value) for name, value in intermediates.items() if "prefix" not in name]
    steps: list[Step] = []
    for shape, run in groupby(layers, key=lambda each: tuple(each[1].shape)):
        names = [name for name, _ in run]
        name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        steps.append(Step(f"vision: {name}", shape, f"{seen_as}, row, col, width"))
    return steps


def _has_axes(model: VLM) -> bool:
    return getattr(model.language.config.positions, "mrope_sections", None) is not None


def _step(name: str, value: Tensor, meaning: str) -> Step:
    return Step(name, tuple(value.shape), meaning)
