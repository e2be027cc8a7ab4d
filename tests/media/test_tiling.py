"""Tiles by arithmetic, pixels that follow it, and the way back."""

import math
import random

import numpy as np
import pytest
from PIL import Image

from triptych.errors import ConfigError, MediaError
from triptych.media import (
    CanvasTilingConfig,
    FixedResizeConfig,
    LongestEdgeTilingConfig,
    ShapeTilingConfig,
    cut,
    open_image,
    seen_whole,
)
from triptych.media.opening import Picture
from triptych.shapes import Tiles

LLAVA_NEXT = CanvasTilingConfig(
    tile_size=336,
    canvases=((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)),
)
SMOLVLM = LongestEdgeTilingConfig(tile_size=512, longest_edge=2048)
INTERNVL = ShapeTilingConfig(tile_size=448)

POLICIES = [
    CanvasTilingConfig(tile_size=8, canvases=((8, 16), (16, 8), (16, 16), (24, 8))),
    LongestEdgeTilingConfig(tile_size=8, longest_edge=30),
    LongestEdgeTilingConfig(tile_size=8, longest_edge=8),
    LongestEdgeTilingConfig(tile_size=8, longest_edge=30, splits=False),
    ShapeTilingConfig(tile_size=8, max_tiles=6),
]
SIZES = [(30, 50), (50, 30), (37, 37), (1, 30), (64, 3), (8, 8)]

every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)


def grey(height: int, width: int) -> Picture:
    return open_image(np.full((height, width), 200, np.uint8))


def noise(height: int, width: int) -> Picture:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return open_image(pixels)


@every_policy
@pytest.mark.parametrize("height, width", SIZES)
def test_every_policy_makes_the_tiles_it_promises(policy, height, width):
    images, transform = cut(policy, grey(height, width))
    tiles = policy.tiles(height, width)
    assert len(images) == tiles.num_tiles
    assert {image.size for image in images} == {(8, 8)}
    assert (tiles.height, tiles.width) == (height, width)
    size = policy.target_size(height, width)
    assert size == (transform.model_height, transform.model_width)
    if tiles.num_tiles > 1:
        assert size == (tiles.rows * 8, tiles.cols * 8)


@every_policy
@pytest.mark.parametrize("height, width", SIZES)
def test_the_tiles_laid_out_are_the_picture_that_was_resized(policy, height, width):
    picture = noise(height, width)
    images, _ = cut(policy, picture)
    tiles = policy.tiles(height, width)
    canvas = np.asarray(policy.apply(picture)[0])
    if tiles.num_tiles == 1:
        assert np.array_equal(np.asarray(images[0]), canvas)
        return
    whole = 0 if tiles.overview == "first" else len(images) - 1
    grid = [np.asarray(image) for index, image in enumerate(images) if index != whole]
    rows = [np.hstack(grid[row * tiles.cols :][: tiles.cols]) for row in range(tiles.rows)]
    assert np.array_equal(np.vstack(rows), canvas)


@every_policy
@pytest.mark.parametrize("height, width", SIZES)
def test_points_find_their_way_back(policy, height, width):
    _, transform = policy.apply(grey(height, width))
    for point in ((0.0, 0.0), (float(width), float(height)), (width / 3, height / 7)):
        assert transform.to_original(*transform.to_model(*point)) == pytest.approx(point)


@pytest.mark.parametrize(
    "policy",
    [LLAVA_NEXT, LongestEdgeTilingConfig(tile_size=128, longest_edge=512), INTERNVL],
    ids=lambda policy: type(policy).__name__,
)
@pytest.mark.parametrize("height, width", [(300, 500), (500, 300), (400, 400)])
def test_the_transform_points_at_the_same_thing_in_both_pictures(policy, height, width):
    dark = np.zeros((height, width), np.uint8)
    top, left = height // 2 - 20, width // 2 + 10
    dark[top : top + 60, left : left + 50] = 255
    image, transform = policy.apply(open_image(dark))
    bright = np.asarray(image.convert("L")).astype(float)
    ys, xs = np.mgrid[: image.height, : image.width] + 0.5
    centre = (xs * bright).sum() / bright.sum(), (ys * bright).sum() / bright.sum()
    assert centre == pytest.approx(transform.to_model(left + 25.0, top + 30.0), abs=0.5)


def test_the_overview_shows_the_whole_picture_at_its_end():
    picture = noise(40, 70)
    shown = np.asarray(picture.rgb.resize((336, 336), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(cut(LLAVA_NEXT, picture)[0][0]), shown)
    shown = np.asarray(picture.rgb.resize((448, 448), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(cut(INTERNVL, picture)[0][-1]), shown)


def test_the_rest_of_a_canvas_is_black_and_the_odd_pixel_is_behind():
    policy = CanvasTilingConfig(tile_size=8, canvases=((8, 16),))
    canvas, transform = policy.apply(grey(8, 11))
    row = np.asarray(canvas)[0, :, 0]
    assert row.tolist() == [0, 0, *[200] * 11, 0, 0, 0]
    assert (transform.offset_x, transform.offset_y) == (2, 0)


@pytest.mark.parametrize(
    ("height", "width", "canvas"),
    [
        (672, 1008, (672, 672)),
        (1008, 672, (672, 672)),
        (336, 336, (336, 672)),
        (1000, 700, (672, 672)),
        (1008, 336, (1008, 336)),
        (10, 2000, (336, 1008)),
    ],
)
def test_llava_next_takes_the_published_canvas(height, width, canvas):
    assert LLAVA_NEXT.target_size(height, width) == canvas


def test_of_canvases_that_show_as_much_the_smallest_is_taken_and_then_the_first():
    canvases = ((16, 16), (8, 16), (16, 8))
    assert CanvasTilingConfig(tile_size=8, canvases=canvases).target_size(4, 8) == (8, 16)


@pytest.mark.parametrize(
    ("width", "height", "cols", "rows", "num_tiles"),
    [
        (800, 600, 4, 3, 13),
        (600, 800, 3, 4, 13),
        (1920, 1080, 4, 2, 9),
        (896, 448, 2, 1, 3),
        (1000, 700, 3, 2, 7),
        (2000, 2000, 3, 3, 10),
        (448, 448, 0, 0, 1),
    ],
)
def test_internvl_takes_the_published_grid(width, height, cols, rows, num_tiles):
    tiles = INTERNVL.tiles(height, width)
    assert (tiles.cols, tiles.rows, tiles.num_tiles) == (cols, rows, num_tiles)


def test_internvl_chooses_among_thirty_five_grids():
    from triptych.media.tiling import _grids

    assert len(_grids(1, 12)) == 35


@pytest.mark.parametrize(
    ("width", "height", "cols", "rows"),
    [(1024, 768, 4, 3), (768, 1024, 3, 4), (2048, 2048, 4, 4), (20, 5000, 1, 4), (100, 76, 4, 4)],
)
def test_smolvlm_brings_every_longest_edge_to_four_tiles(width, height, cols, rows):
    # 100 x 76 becomes 2048 x 1556, just more than three tiles high.
    assert SMOLVLM.tiles(height, width) == Tiles(rows, cols, "last", height, width)


def test_frames_of_a_clip_become_one_tile():
    assert seen_whole(SMOLVLM) == FixedResizeConfig(height=512, width=512, interpolation="lanczos")


@every_policy
def test_every_policy_refuses_a_picture_without_pixels(policy):
    for size in ((0, 5), (5, 0)):
        with pytest.raises(MediaError, match="nothing to show"):
            policy.target_size(*size)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: CanvasTilingConfig(tile_size=8, canvases=()), "multiples of the tile, 8"),
        (lambda: CanvasTilingConfig(tile_size=8, canvases=((8, 12),)), "multiples of the tile"),
        (lambda: LongestEdgeTilingConfig(tile_size=8, longest_edge=5000), "at most 4096"),
        (lambda: ShapeTilingConfig(tile_size=8, min_tiles=4, max_tiles=3), "above max_tiles of 3"),
        (lambda: ShapeTilingConfig(tile_size=0), "tile_size must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


# -- beside the reference -------------------------------------------------------------------------


def random_sizes(count: int = 2000, seed: int = 0) -> list[tuple[int, int]]:
    """Heights and widths: tiny, ordinary, and up to a hundred times as long as wide."""
    drawn = random.Random(seed)
    sizes: list[tuple[int, int]] = []
    for index in range(count):
        if index % 4 == 0:
            sizes.append((drawn.randint(1, 40), drawn.randint(1, 40)))
            continue
        long = math.exp(drawn.uniform(math.log(40), math.log(6000)))
        aspect = math.exp(drawn.uniform(0, math.log(100 if index % 4 == 1 else 3)))
        sides = max(1, round(long)), max(1, round(long / aspect))
        sizes.append(sides if drawn.random() < 0.5 else (sides[1], sides[0]))
    return sizes


def test_canvases_and_sizes_on_them_are_transformers():
    pytest.importorskip("transformers")
    from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
    from transformers.image_utils import ChannelDimension

    from triptych.media.tiling import _fitted

    for height, width in random_sizes():
        canvas = select_best_resolution((height, width), list(LLAVA_NEXT.canvases))
        assert LLAVA_NEXT.target_size(height, width) == canvas
        shape = np.broadcast_to(np.uint8(0), (3, height, width))
        inner = get_patch_output_size(shape, canvas, ChannelDimension.FIRST)
        assert _fitted(height, width, *canvas) == inner


@pytest.mark.parametrize("splits", [True, False])
@pytest.mark.parametrize(("tile", "edge"), [(512, 2048), (364, 1456), (384, 1536), (512, 512)])
def test_whole_tiles_are_idefics3s(monkeypatch, tile, edge, splits):
    """Its own code, on pictures that have a shape and no pixels."""
    pytest.importorskip("transformers")
    from transformers import Idefics3ImageProcessorPil, image_processing_backends
    from transformers.image_utils import SizeDict

    sizes: list[tuple[int, int]] = []

    def resized(image, size, **_):
        sizes.append(size)
        return np.broadcast_to(np.uint8(0), (3, *size))

    monkeypatch.setattr(image_processing_backends, "np_resize", resized)
    theirs = Idefics3ImageProcessorPil()
    ours = LongestEdgeTilingConfig(tile_size=tile, longest_edge=edge, splits=splits)
    for height, width in random_sizes(2000 if (tile, splits) == (512, True) else 200):
        sizes.clear()
        given = theirs._preprocess(
            [[np.broadcast_to(np.uint8(0), (3, height, width))]],
            do_resize=True,
            size=SizeDict(longest_edge=edge),
            resample=None,
            do_rescale=False,
            rescale_factor=1.0,
            do_normalize=False,
            image_mean=None,
            image_std=None,
            do_pad=False,
            do_image_splitting=splits,
            max_image_size={"longest_edge": tile},
            return_row_col_info=True,
            return_tensors=None,
        )
        tiles = ours.tiles(height, width)
        assert ([[tiles.rows]], [[tiles.cols]]) == (given["rows"], given["cols"])
        assert len(given["pixel_values"][0]) == tiles.num_tiles
        assert sizes[:2] == [ours._enlarged(height, width), ours.target_size(height, width)]


@pytest.mark.parametrize(("least", "most"), [(1, 12), (1, 6), (3, 9), (1, 1)])
def test_grids_are_internvls(least, most):
    pytest.importorskip("transformers")
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas

    ours = ShapeTilingConfig(tile_size=448, min_tiles=least, max_tiles=most)
    for height, width in random_sizes(2000 if most == 12 else 200):
        cols, rows = get_optimal_tiled_canvas((height, width), (448, 448), least, most)
        assert ours.target_size(height, width) == (448 * rows, 448 * cols)
