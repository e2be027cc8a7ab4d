"""Tiles put together again: the drawn example, the published counts, and the reference."""

import pytest
import torch
from tests.media.test_tiling import LLAVA_NEXT, random_sizes

from triptych.connector import AnyResConfig
from triptych.connector.anyres import regrid, unpadded
from triptych.errors import ShapeError
from triptych.shapes import Grid, Tiles, VisionFeatures

PATCHES = Grid(24, 24)
"""Of a tile of LLaVA-NeXT: 336 pixels by patches of 14."""


def letters(*tiles: str) -> torch.Tensor:
    """Tokens one wide, one tile a word."""
    return torch.tensor([[float(ord(letter))] for tile in tiles for letter in tile]).reshape(
        len(tiles), -1, 1
    )


def spelled(tokens: torch.Tensor) -> str:
    return "".join(chr(int(value)) for value in tokens.flatten())


def join(*tiles: str, rows: int, cols: int, height: int, width: int) -> str:
    newline = torch.tensor([float(ord("/"))])
    shape = Tiles(rows, cols, "first", height, width)
    return spelled(regrid(letters(*tiles), Grid(2, 2), shape, newline))


def test_rows_run_over_all_tiles_and_end_in_a_new_line():
    square = join("wxyz", "abef", "cdgh", "ijmn", "klop", rows=2, cols=2, height=9, width=9)
    assert square == "wxyz" + "abcd/" + "efgh/" + "ijkl/" + "mnop/"


def test_padding_is_left_out_on_both_sides():
    tiles = ("wxyz", "abef", "cdgh", "ijmn", "klop")
    assert join(*tiles, rows=2, cols=2, height=50, width=100) == "wxyz" + "efgh/" + "ijkl/"
    tall = join(*tiles, rows=2, cols=2, height=100, width=50)
    assert tall == "wxyz" + "bc/" + "fg/" + "jk/" + "no/"


def test_an_odd_row_of_padding_stays():
    # Three of four rows are the picture's; one row cannot be left out on both sides.
    tiles = ("wxyz", "abef", "cdgh", "ijmn", "klop")
    assert join(*tiles, rows=2, cols=2, height=75, width=100).count("/") == 4


def test_of_a_very_long_picture_the_overview_alone_may_remain():
    assert join("wxyz", "abef", "cdgh", rows=1, cols=2, height=1, width=5000) == "wxyz"


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [
        (672, 1008, 2144),
        (1008, 672, 2160),
        (672, 672, 2928),
        (336, 336, 1176),
        (1000, 700, 2256),
        (480, 640, 2340),
        (1008, 336, 2376),
        (336, 1008, 2328),
    ],
)
def test_a_picture_becomes_the_published_number_of_tokens(height, width, count):
    tiles = LLAVA_NEXT.tiles(height, width)
    assert AnyResConfig().num_tokens_of_tiles(PATCHES, tiles) == count


@pytest.mark.parametrize(("height", "width"), [(396, 704), (704, 396), (792, 1408)])
def test_rounding_to_seven_digits_saves_a_row_on_either_side(height, width):
    # 396 * (48 / 704) is 26.999999999999996.
    rows, cols = unpadded(PATCHES, LLAVA_NEXT.tiles(height, width))
    assert sorted((len(rows), len(cols))) == [28, 48]


@pytest.mark.parametrize(("height", "width"), [(50, 100), (100, 50), (1, 500), (75, 100), (9, 9)])
def test_there_are_as_many_tokens_as_promised(height, width):
    torch.manual_seed(0)
    connector = AnyResConfig().build(vision_dim=6, language_dim=4)
    tiles = Tiles(2, 2, "first", height, width)
    features = VisionFeatures(torch.randn(5, 3, 3, 6), torch.randn(5, 0, 6))
    tokens = connector(features)
    assert tokens.shape == (5, connector.num_tokens(Grid(3, 3)), 4)
    joined = connector.join(tokens, Grid(3, 3), tiles)
    assert joined.shape == (connector.config.num_tokens_of_tiles(Grid(3, 3), tiles), 4)


def test_the_new_line_is_learned():
    torch.manual_seed(0)
    connector = AnyResConfig().build(vision_dim=6, language_dim=400)
    assert connector.newline.std().item() == pytest.approx(400**-0.5, rel=0.2)
    tokens = torch.randn(3, 4, 400)
    connector.join(tokens, Grid(2, 2), Tiles(1, 2, "first", 10, 20)).sum().backward()
    assert torch.equal(connector.newline.grad, torch.full((400,), 2.0))


def test_class_tokens_and_other_tiles_are_refused():
    tiles = Tiles(1, 2, "first", 10, 20)
    with pytest.raises(ShapeError, match="1 class token"):
        AnyResConfig().num_tokens_of_tiles(Grid(2, 2, prefix=1), tiles)
    with pytest.raises(ShapeError, match="4 tiles came for a picture of 3"):
        regrid(torch.zeros(4, 4, 1), Grid(2, 2), tiles, torch.zeros(1))
    with pytest.raises(ShapeError, match="overview last"):
        regrid(torch.zeros(3, 4, 1), Grid(2, 2), Tiles(1, 2, "last", 10, 20), torch.zeros(1))


def test_counts_and_crops_are_transformers():
    pytest.importorskip("transformers")
    from transformers import LlavaNextProcessor
    from transformers.models.llava_next.modeling_llava_next import unpad_image

    sizes = [(396, 704), (704, 396), (748, 352), (352, 748), *random_sizes()]
    for index, (height, width) in enumerate(sizes):
        tiles = LLAVA_NEXT.tiles(height, width)
        rows, cols = unpadded(PATCHES, tiles)
        features, new_lines = LlavaNextProcessor._get_unpadded_features(
            None, height, width, 24, 24, tiles.rows, tiles.cols
        )
        assert (len(rows) * len(cols), len(rows)) == (features, new_lines)
        if index % 20:
            continue  # the crop itself takes long
        places = torch.arange(24 * 24 * tiles.rows * tiles.cols).view(1, 24 * tiles.rows, -1)
        kept = unpad_image(places, (height, width))[0]
        assert torch.equal(kept, places[0, rows.start : rows.stop, cols.start : cols.stop])
