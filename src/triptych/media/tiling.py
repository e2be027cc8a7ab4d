"""One picture as several tiles of one size, so that a small vision panel sees its details: three
policies.

    CanvasTilingConfig       fitted into the best of a few canvases, padded     LLaVA-NeXT
    LongestEdgeTilingConfig  longest edge to one length, then to whole tiles    Idefics3, SmolVLM
    ShapeTilingConfig        to the grid of the most similar shape              InternVL

All add an overview, the whole picture in one tile. `tiles` and `target_size` are arithmetic on the
picture's size, so tokens can be counted without any pixels. `apply` makes the picture that the
grid of tiles shows, with the transform to it, and `cut` its tiles.

LLaVA-NeXT: https://llava-vl.github.io/blog/2024-01-30-llava-next/
Idefics3, section 3.2: https://arxiv.org/abs/2408.12637
InternVL 1.5, section 3.3: https://arxiv.org/abs/2404.16821
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from PIL import Image

from triptych.errors import ConfigError
from triptych.media.opening import Picture
from triptych.media.resizing import (
    RESAMPLING,
    FixedResizeConfig,
    Interpolation,
    ResizeConfig,
    Transform,
    check_interpolation,
    check_picture_size,
    check_positive,
    stretch,
)
from triptych.shapes import Tiles


@dataclass(frozen=True, kw_only=True, slots=True)
class CanvasTilingConfig:
    """Nothing is distorted in the grid: the picture is fitted into a canvas and padded in black.

    The canvas is the one on which the picture shows the most of its own pixels; of several, the
    smallest, and of those the first. The overview comes first and is stretched.
    """

    tile_size: int
    """Side of a tile, in pixels."""

    canvases: tuple[tuple[int, int], ...]
    """Height and width of every canvas, in pixels; multiples of the tile."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(tile_size=self.tile_size)
        check_interpolation(self.interpolation)
        sides = [side for canvas in self.canvases for side in canvas]
        if not sides or any(side < 1 or side % self.tile_size for side in sides):
            raise ConfigError(
                f"canvases need sides that are multiples of the tile, {self.tile_size}; got "
                f"{self.canvases}"
            )

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the canvas for a picture of this height and width."""
        check_picture_size(height, width)
        return max(self.canvases, key=lambda canvas: _shown(height, width, *canvas))

    def tiles(self, height: int, width: int) -> Tiles:
        """How a picture of this height and width is cut."""
        rows, cols = _counts(self.target_size(height, width), self.tile_size)
        return Tiles(rows, cols, "first", height, width)

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The canvas with the picture on it, and how it came there."""
        height, width = self.target_size(picture.height, picture.width)
        inner_height, inner_width = _fitted(picture.height, picture.width, height, width)
        resized, transform = stretch(picture, inner_height, inner_width, self.interpolation)
        canvas = Image.new("RGB", (width, height))
        # An odd pixel of padding goes to the right or the bottom.
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        canvas.paste(resized, (left, top))
        return canvas, Transform(
            scale_x=transform.scale_x,
            scale_y=transform.scale_y,
            offset_x=float(left),
            offset_y=float(top),
            original_height=picture.height,
            original_width=picture.width,
            model_height=height,
            model_width=width,
        )

    def overview(self, picture: Picture, canvas: Image.Image) -> Image.Image:
        """The whole picture in one tile."""
        return _in_one_tile(picture.rgb, self.tile_size, self.interpolation)


@dataclass(frozen=True, kw_only=True, slots=True)
class LongestEdgeTilingConfig:
    """Every picture is shown about equally large: its longest edge becomes one length first.

    Then both sides are stretched up to whole tiles. The overview comes last and is made of that
    larger picture; a picture of one tile is seen alone.
    """

    tile_size: int
    """Side of a tile, in pixels."""

    longest_edge: int
    """What the longest edge becomes first, in pixels; smaller pictures are enlarged."""

    splits: bool = True
    """Whether pictures are cut at all; otherwise each is stretched into one tile."""

    interpolation: Interpolation = "lanczos"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(tile_size=self.tile_size, longest_edge=self.longest_edge)
        check_interpolation(self.interpolation)
        if self.longest_edge > LARGEST_EDGE:
            raise ConfigError(
                f"longest_edge is at most {LARGEST_EDGE} pixels, got {self.longest_edge}"
            )

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of this height and width is given."""
        if not self.splits:
            check_picture_size(height, width)
            return self.tile_size, self.tile_size
        height, width = self._enlarged(height, width)
        aspect, tile = width / height, self.tile_size
        if width >= height:
            width = _up_to(width, tile)
            height = _up_to(int(width / aspect), tile)
        else:
            height = _up_to(height, tile)
            width = _up_to(int(height * aspect), tile)
        return height, width

    def tiles(self, height: int, width: int) -> Tiles:
        """How a picture of this height and width is cut."""
        rows, cols = _counts(self.target_size(height, width), self.tile_size)
        is_cut = rows * cols > 1
        return Tiles(rows * is_cut, cols * is_cut, "last", height, width)

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and how it was made: in two steps, as the published model's is."""
        enlarged_height, enlarged_width = self._enlarged(picture.height, picture.width)
        enlarged, _ = stretch(picture, enlarged_height, enlarged_width, self.interpolation)
        height, width = self.target_size(picture.height, picture.width)
        return enlarged.resize((width, height), RESAMPLING[self.interpolation]), Transform(
            scale_x=width / picture.width,
            scale_y=height / picture.height,
            offset_x=0.0,
            offset_y=0.0,
            original_height=picture.height,
            original_width=picture.width,
            model_height=height,
            model_width=width,
        )

    def overview(self, picture: Picture, canvas: Image.Image) -> Image.Image:
        """The whole picture in one tile."""
        return _in_one_tile(canvas, self.tile_size, self.interpolation)

    def _enlarged(self, height: int, width: int) -> tuple[int, int]:
        """The size with that longest edge; the other side is cut to a number, then made even."""
        check_picture_size(height, width)
        aspect, edge = width / height, self.longest_edge
        if width >= height:
            other = int(edge / aspect)
            return max(1, other + other % 2), edge
        other = int(edge * aspect)
        return edge, max(1, other + other % 2)


LARGEST_EDGE = 4096
"""Idefics3 refuses to enlarge any further."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapeTilingConfig:
    """The grid is the one of the most similar shape, into which the picture is stretched.

    Of several of one shape the larger is taken if the picture has more than half its pixels. The
    overview comes last; a picture of one tile is seen alone.
    """

    tile_size: int
    """Side of a tile, in pixels."""

    max_tiles: int = 12
    """Tiles of the grid at most."""

    min_tiles: int = 1
    """Tiles of the grid at least."""

    interpolation: Interpolation = "bicubic"
    """How new pixels are made from old ones."""

    def __post_init__(self) -> None:
        check_positive(tile_size=self.tile_size, max_tiles=self.max_tiles, min_tiles=self.min_tiles)
        check_interpolation(self.interpolation)
        if self.min_tiles > self.max_tiles:
            raise ConfigError(
                f"min_tiles is {self.min_tiles}, above max_tiles of {self.max_tiles}; exchange them"
            )

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a picture of this height and width is given."""
        rows, cols = self._grid(height, width)
        return rows * self.tile_size, cols * self.tile_size

    def tiles(self, height: int, width: int) -> Tiles:
        """How a picture of this height and width is cut."""
        rows, cols = self._grid(height, width)
        is_cut = rows * cols > 1
        return Tiles(rows * is_cut, cols * is_cut, "last", height, width)

    def apply(self, picture: Picture) -> tuple[Image.Image, Transform]:
        """The resized picture, and how it was made."""
        height, width = self.target_size(picture.height, picture.width)
        return stretch(picture, height, width, self.interpolation)

    def overview(self, picture: Picture, canvas: Image.Image) -> Image.Image:
        """The whole picture in one tile."""
        return _in_one_tile(picture.rgb, self.tile_size, self.interpolation)

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns for a picture of this height and width."""
        check_picture_size(height, width)
        aspect, best, nearest = width / height, (1, 1), math.inf
        for rows, cols in _grids(self.min_tiles, self.max_tiles):
            distance = abs(aspect - cols / rows)
            is_filled = height * width > 0.5 * self.tile_size**2 * rows * cols
            if distance < nearest or (distance == nearest and is_filled):
                best, nearest = (rows, cols), distance
        return best


TilingConfig: TypeAlias = CanvasTilingConfig | LongestEdgeTilingConfig | ShapeTilingConfig
"""Every tiling policy there is. Each has `tile_size`, `tiles(height, width)`, and what a resize
policy has; there `target_size` is that of all tiles of the grid together."""

PicturePolicy: TypeAlias = ResizeConfig | TilingConfig
"""Every way in which a picture is made ready for a vision panel."""


def cut(policy: TilingConfig, picture: Picture) -> tuple[list[Image.Image], Transform]:
    """The tiles of a picture in the order that `policy.tiles` promises.

    The transform leads to the picture that the grid of tiles shows.
    """
    canvas, transform = policy.apply(picture)
    tiles, side = policy.tiles(picture.height, picture.width), policy.tile_size
    if tiles.num_tiles == 1:
        return [canvas], transform
    grid = [
        canvas.crop((side * col, side * row, side * (col + 1), side * (row + 1)))
        for row in range(tiles.rows)
        for col in range(tiles.cols)
    ]
    whole = policy.overview(picture, canvas)
    return [whole, *grid] if tiles.overview == "first" else [*grid, whole], transform


def seen_whole(policy: TilingConfig) -> FixedResizeConfig:
    """The policy for frames of a clip, which are not cut: each becomes one tile."""
    side = policy.tile_size
    return FixedResizeConfig(height=side, width=side, interpolation=policy.interpolation)


def _in_one_tile(image: Image.Image, side: int, interpolation: Interpolation) -> Image.Image:
    return image.resize((side, side), RESAMPLING[interpolation])


def _counts(size: tuple[int, int], tile: int) -> tuple[int, int]:
    return size[0] // tile, size[1] // tile


def _up_to(side: int, tile: int) -> int:
    return math.ceil(side / tile) * tile


def _shown(height: int, width: int, canvas_height: int, canvas_width: int) -> tuple[int, int]:
    """How many pixels of its own a picture shows on a canvas; less the pixels left over."""
    scale = min(canvas_width / width, canvas_height / height)
    shown = min(int(width * scale) * int(height * scale), width * height)
    return shown, shown - canvas_height * canvas_width


def _fitted(height: int, width: int, canvas_height: int, canvas_width: int) -> tuple[int, int]:
    """The largest size of a picture's shape on a canvas; one side is the canvas's."""
    scale_x, scale_y = canvas_width / width, canvas_height / height
    if scale_x < scale_y:
        return min(math.ceil(height * scale_x), canvas_height), canvas_width
    return canvas_height, min(math.ceil(width * scale_y), canvas_width)


@lru_cache(maxsize=16)
def _grids(min_tiles: int, max_tiles: int) -> list[tuple[int, int]]:
    """Rows and columns of every grid, small ones first; of one size those of few columns first."""
    grids = [
        (rows, cols)
        for cols in range(1, max_tiles + 1)
        for rows in range(1, max_tiles + 1)
        if min_tiles <= rows * cols <= max_tiles
    ]
    return sorted(grids, key=lambda grid: grid[0] * grid[1])
