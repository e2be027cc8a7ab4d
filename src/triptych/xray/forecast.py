"""What running a model will take of this machine's memory, told from its configuration alone.

    weights       by panel, in the chosen numbers
    cache         keys and values of every position, pictures' included
    activations   the widest moment of reading the prompt: a block of the vision panel over all
                  pictures together, a block of the language panel over the whole sequence, or the
                  logits, whichever takes most
    program       Python, PyTorch and the tokenizer

Attention is counted as the fused kernel computes it, which never holds a score for every pair.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from triptych.architectures import ARCHITECTURES, SCORERS, Architecture, find_architecture
from triptych.checkpoint.layouts import open_architecture
from triptych.checkpoint.precision import (
    TABLE,
    QuantizeConfig,
    find_dtype,
    quantised_layers,
    read_quantize,
)
from triptych.errors import UnknownNameError, UsageError
from triptych.fusion.vlm import PANELS, VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.machine import available_memory_bytes
from triptych.media import TilingConfig
from triptych.nn.mlp import Activation
from triptych.nn.quantised import Bits, fits_int4
from triptych.shapes import Tiles
from triptych.tasks import embedded_models, find_model
from triptych.vision import ViTConfig
from triptych.xray.anatomy import build_on_meta
from triptych.xray.walk import cache_bytes_per_token

PROGRAM_BYTES = 400_000_000
"""Python with PyTorch and all else that is imported, and the allocator's leftovers."""

FLOAT_BYTES = 4
"""Bytes of a number in float32, in which logits are and pictures arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """How much a model will take; all in bytes."""

    name: str
    dtype: str
    weights: dict[str, int]
    """By panel, as they are kept."""
    num_visual_tokens: int
    """Visual tokens of one picture."""
    num_tokens: int
    """Positions of the sequence: of all pictures, the text and the answer."""
    max_tokens: int
    """Longest sequence that the model was made for."""
    cache: int
    activations: int
    program: int
    available: int
    """What the machine has to spare."""

    @property
    def total(self) -> int:
        """At the highest point."""
        return sum(self.weights.values()) + self.cache + self.activations + self.program

    @property
    def fits(self) -> bool:
        """Whether it fits into what the machine has to spare."""
        return self.total <= self.available

    def as_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "weight_bytes": {**self.weights, "total": sum(self.weights.values())},
            "cache_bytes": self.cache,
            "activation_bytes": self.activations,
            "program_bytes": self.program,
            "total_bytes": self.total,
            "available_bytes": self.available,
            "visual_tokens": self.num_visual_tokens,
            "tokens": self.num_tokens,
            "max_tokens": self.max_tokens,
            "fits": self.fits,
        }


def foresee(
    model: str,
    *,
    picture: str = "1024x768",
    num_pictures: int = 1,
    num_text_tokens: int = 256,
    dtype: str = "float32",
    quantize: str = "",
    offline: bool = False,
) -> Forecast:
    """Foresee what a model takes, before any of its weights are read.

    Args:
        model: A named architecture, an embedded model, a folder, or a name on the Hub, of which
            the settings alone are fetched.
        picture: WIDTHxHEIGHT in pixels of every picture.
        num_pictures: How many pictures are shown together; 0 for text alone.
        num_text_tokens: Tokens of the question and of the answer together.
        dtype: What it computes in.
        quantize: Panels kept in fewer bits, see `read_quantize`.
        offline: Read only the local cache of the Hub.

    Raises:
        UnknownNameError: there is no such model or kind of numbers.
        UsageError: a number makes no sense, or the model does not generate.
        ConfigError, CheckpointError, TokenError: the settings cannot be read.
    """
    if num_pictures < 0 or num_text_tokens < 1:
        raise UsageError(
            f"{num_pictures} pictures and {num_text_tokens} tokens make no prompt; take at least "
            "0 pictures and 1 token"
        )
    numbers, bits = find_dtype(dtype), read_quantize(quantize)
    design = find_design(model, offline=offline)
    height, width = read_size(picture)
    seen, tiles = shown(design, height, width)
    slots = design.model.num_slots(*seen, tiles=tiles)
    num_tokens = num_pictures * slots + num_text_tokens
    return Forecast(
        name=design.name,
        dtype=dtype,
        weights=weight_bytes(design.model, numbers, bits),
        num_visual_tokens=design.model.num_visual_tokens(*seen, tiles),
        num_tokens=num_tokens,
        max_tokens=design.processor.max_tokens,
        cache=num_tokens * cache_bytes_per_token(design.model, numbers.itemsize),
        activations=max(
            _vision_bytes(design.model, seen, tiles, num_pictures, numbers.itemsize),
            _language_bytes(design.model.language, num_tokens, numbers.itemsize),
        ),
        program=PROGRAM_BYTES,
        available=available_memory_bytes(),
    )


def find_design(model: str, *, offline: bool = False) -> Architecture:
    """A model's architecture by any of its names; a folder wins over a named architecture.

    Raises:
        UnknownNameError, UsageError, CheckpointError, ConfigError, TokenError: see `find_model`
            and `open_architecture`.
    """
    if model in ARCHITECTURES and not Path(model).is_dir():
        return find_architecture(model)
    if model in SCORERS and not Path(model).is_dir():
        raise UsageError(f"{model} does not generate; `triptych models` says how large it is")
    try:
        folder = find_model(model, offline=offline, weights=False)
    except UnknownNameError as error:
        # It knows trained models; here an architecture is a model too.
        known = dict.fromkeys([*embedded_models(), *ARCHITECTURES])
        raise UnknownNameError("model", model, known) from error
    return open_architecture(folder)


def read_size(size: str) -> tuple[int, int]:
    """Height and width of WIDTHxHEIGHT.

    Raises:
        UsageError: it is malformed.
    """
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"the size must be WIDTHxHEIGHT in pixels, like 1024x768, got {size!r}")
    return int(height), int(width)


def shown(design: Architecture, height: int, width: int) -> tuple[tuple[int, int], Tiles | None]:
    """Height and width that the vision panel sees of such a picture, and its tiles if it is cut."""
    resize = design.processor.resize
    if isinstance(resize, TilingConfig):
        return (resize.tile_size, resize.tile_size), resize.tiles(height, width)
    return resize.target_size(height, width), None


def weight_bytes(model: VLMConfig, dtype: torch.dtype, quantize: QuantizeConfig) -> dict[str, int]:
    """What the weights of each panel take in the chosen numbers."""
    built = build_on_meta(model)
    layers = quantised_layers(built, quantize)
    found: dict[str, int] = dict.fromkeys(PANELS, 0)
    for name, parameter in built.named_parameters():
        layer, _, kind = name.rpartition(".")
        bits = layers.get(layer, "none") if kind == "weight" else "none"
        found[name.partition(".")[0]] += _parameter_bytes(tuple(parameter.shape), bits, dtype)
        if layer == TABLE and bits != "none":
            # A table is kept once to look up and once to multiply by.
            found["language"] += parameter.numel() + 4 * len(parameter)
    return found


def _parameter_bytes(shape: tuple[int, ...], bits: Bits, dtype: torch.dtype) -> int:
    count = 1
    for axis in shape:
        count *= axis
    if bits == "none":
        return count * dtype.itemsize
    if bits == "int4" and fits_int4(*shape):
        return count * 5 // 8
    return count + 12 * shape[0]


# -- activations ----------------------------------------------------------------------------------


def _vision_bytes(
    model: VLMConfig, seen: tuple[int, int], tiles: Tiles | None, num_pictures: int, itemsize: int
) -> int:
    """Pictures of one size go through together, tiles of a picture too."""
    num_shown = num_pictures * (1 if tiles is None else tiles.num_tiles)
    num_pixels = num_shown * 3 * seen[0] * seen[1]
    vision = model.vision
    if not isinstance(vision, ViTConfig):
        # A convolutional network is widest behind its first layers, at half the sides.
        return num_pixels * FLOAT_BYTES * 10
    rows, cols, _ = model.patch_grid(*seen)
    extra = int(vision.class_token) + vision.num_registers
    dim, inner = vision.dim, vision.ffn_dim
    turned = 2 * dim if vision.positions == "rotary" else 0
    is_gated = getattr(vision, "gated_mlp", False)
    attention = 6 * dim + turned
    mlp = 2 * dim + (3 if is_gated else _held(vision.activation)) * inner
    numbers = num_shown * (rows * cols + extra) * max(attention, mlp)
    # The pixels stay while the block runs.
    return num_pixels * FLOAT_BYTES + numbers * itemsize


def _language_bytes(language: DecoderConfig, num_tokens: int, itemsize: int) -> int:
    dim, inner = language.dim, language.ffn_dim
    query = language.num_heads * language.head_width
    key = language.num_kv_heads * language.head_width
    turned = query + key if isinstance(language.positions, RotaryConfig) else 0
    attention = 2 * query + 2 * key + turned
    mlp = (3 if language.gated_mlp else _held(language.activation)) * inner
    # Besides: the embeddings, with and without pictures, what runs along, and its normed copy.
    reading = num_tokens * (4 * dim + max(attention, mlp)) * itemsize
    return max(reading, 4 * language.vocab_size * FLOAT_BYTES)


def _held(activation: Activation) -> int:
    """How many copies of the inner width live while a feed-forward layer is activated."""
    return 3 if activation == "quick_gelu" else 2


def print_forecast(forecast: Forecast) -> None:
    """Print what takes how much, and whether it fits."""
    console = Console(highlight=False)
    console.print(f"{forecast.name} in {forecast.dtype}")
    table = Table("takes", box=None)
    table.add_column("memory", justify="right")
    table.add_column("for")
    for panel, num_bytes in forecast.weights.items():
        if num_bytes:
            table.add_row(f"weights: {panel}", gigabytes(num_bytes), "")
    table.add_row("key-value cache", gigabytes(forecast.cache), _positions(forecast))
    table.add_row("activations", gigabytes(forecast.activations), "the widest moment, estimated")
    table.add_row("program", gigabytes(forecast.program), "Python and PyTorch")
    table.add_row("together", gigabytes(forecast.total), "", style="bold")
    console.print(table)
    verdict = "fits" if forecast.fits else "does not fit"
    console.print(f"{verdict}: this machine has {gigabytes(forecast.available)} to spare")
    if forecast.num_tokens > forecast.max_tokens:
        console.print(
            f"note: {forecast.num_tokens:,} positions are more than the {forecast.max_tokens:,} "
            "that this model was made for"
        )


def _positions(forecast: Forecast) -> str:
    return f"{forecast.num_tokens:,} positions; a picture is {forecast.num_visual_tokens:,} tokens"


def gigabytes(num_bytes: int) -> str:
    """A size as people read it."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"
