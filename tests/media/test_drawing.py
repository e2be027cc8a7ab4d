"""Sheets and heat maps: what is on them, and that nothing odd breaks them."""

import numpy as np
import pytest
from PIL import Image, ImageFont

from triptych.errors import ShapeError
from triptych.media import SheetLine, SheetRow, overlay_heatmap, sheet
from triptych.media.drawing import _LABELS, _MOST_LINES, _wrap

FONT = ImageFont.load_default(31)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def row(picture: Image.Image, **texts: str) -> SheetRow:
    return SheetRow(picture, tuple(SheetLine(label, text) for label, text in texts.items()))


def has(image: Image.Image, colour: tuple[int, int, int], least: int = 1) -> bool:
    """Whether at least so many pixels have exactly this colour."""
    return int((np.asarray(image) == colour).all(-1).sum()) >= least


def test_a_sheet_shows_every_picture_in_order_and_keeps_its_shape():
    rows = [
        row(Image.new("RGB", (40, 20), RED), a="x"),
        row(Image.new("RGB", (10, 50), BLUE), a="y"),
    ]
    page = np.asarray(sheet(rows, title="Two"))
    boxes: list[tuple[int, int, int]] = []
    for colour in (RED, BLUE):
        ys, xs = np.nonzero((page == colour).all(-1))
        boxes.append((ys.min(), np.ptp(ys) + 1, np.ptp(xs) + 1))
    (red_top, red_height, red_width), (blue_top, blue_height, blue_width) = boxes
    assert red_width == 2 * red_height and red_top + red_height < blue_top
    assert blue_height == 5 * blue_width


def test_small_pictures_are_enlarged_without_smoothing():
    board = Image.fromarray(np.array([[RED, BLUE], [BLUE, RED]], np.uint8))
    page = sheet([row(board, a="x")], title="Board")
    assert has(page, RED, 40_000) and has(page, BLUE, 40_000)


def test_equal_labels_have_equal_colours_all_over():
    blank = Image.new("RGB", (40, 40), (255, 255, 255))
    first = sheet([row(blank, before="x", after="y")], title="t")
    assert has(first, _LABELS[0]) and has(first, _LABELS[1]) and not has(first, _LABELS[2])
    # A row that lacks the first label does not give its colour to the second.
    both = sheet([row(blank, before="x"), row(blank, after="y")], title="t")
    assert has(both, _LABELS[0]) and has(both, _LABELS[1])


def test_long_texts_make_higher_rows_up_to_a_limit():
    picture = Image.new("RGB", (200, 20), RED)
    heights = [
        sheet([row(picture, a="word " * count)], title="t").height for count in (1, 30, 400, 4000)
    ]
    assert heights[0] < heights[1] < heights[2] == heights[3]


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "写真 😀 \u0301", "x" * 5000, "a\tb\r\nc", "\0\x1b[0m"]
)
def test_any_text_can_be_drawn(text):
    sheet([row(Image.new("L", (1, 300)), label=text)], title=text or "t")


def test_a_sheet_without_rows_or_texts_is_still_a_page():
    assert sheet([], title="Nothing yet").width == 1600
    assert has(sheet([SheetRow(Image.new("RGB", (9, 9), RED), ())], title="t"), RED)


def test_lines_fit_and_lose_nothing():
    text = "a brown dog runs " * 9 + "y" * 200
    lines = _wrap(text, FONT, 500, most_lines=50)
    assert all(FONT.getlength(line) <= 500 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_what_is_cut_is_shown_to_be_cut():
    lines = _wrap("word " * 500, FONT, 500, _MOST_LINES)
    assert len(lines) == _MOST_LINES and lines[-1].endswith("…")
    assert FONT.getlength(lines[-1]) <= 500
    assert _wrap("", FONT, 500) == ["(nothing)"]


def test_a_heat_map_lies_cell_by_cell_over_the_picture():
    values = np.zeros((2, 4))
    values[1, 3] = 5.0
    page = np.asarray(overlay_heatmap(Image.new("RGB", (800, 400), (128, 128, 128)), values, 1.0))
    assert page[0, 0].tolist() == page[399, 599].tolist() == [38, 20, 84]
    assert page[200, 600].tolist() == page[399, 799].tolist() == [253, 231, 37]
    assert page[199, 799].tolist() == [38, 20, 84]


def test_the_picture_shows_through():
    picture = Image.new("RGB", (800, 400))
    picture.paste((255, 255, 255), (400, 0, 800, 400))
    page = np.asarray(overlay_heatmap(picture, np.zeros((1, 1)), 0.5))
    assert page[100, 700].sum() > page[100, 100].sum() + 300


def test_the_scale_runs_from_least_to_most():
    page = overlay_heatmap(Image.new("RGB", (800, 400)), np.array([[1.0, 2.0]]))
    assert page.height > 400
    assert page.getpixel((0, 420)) == (38, 20, 84) and page.getpixel((799, 420)) == (253, 231, 37)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (3000, 20)])
def test_odd_pictures_and_equal_values_can_be_drawn(size):
    page = overlay_heatmap(Image.new("RGB", size), np.full((3, 3), 7.0, np.float32))
    assert page.width >= 672


def test_what_is_no_number_stays_white_and_nothing_else_is_disturbed():
    values = np.array([[np.nan, 0.0], [np.inf, 1.0]])
    page = np.asarray(overlay_heatmap(Image.new("RGB", (800, 800)), values, 1.0))
    assert page[0, 0].tolist() == page[799, 0].tolist() == [255, 255, 255]
    assert page[0, 799].tolist() == [38, 20, 84] and page[799, 799].tolist() == [253, 231, 37]
    with pytest.raises(ShapeError, match=r"shape \(1, 1\) has no finite value"):
        overlay_heatmap(Image.new("RGB", (8, 8)), np.full((1, 1), np.nan))
    with pytest.raises(ShapeError, match="no finite value"):
        overlay_heatmap(Image.new("RGB", (8, 8)), np.zeros((0, 4)))
