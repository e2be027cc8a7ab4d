"""Words around tiles, drawn."""

from triptych.shapes import Tiles
from triptych.text import TileTextConfig, Tokenizer

SPECIALS = ("<fake>", "<whole>", "<img>", "</img>", *(f"<{r}.{c}>" for r in (1, 2) for c in (1, 2)))
TOKENIZER = Tokenizer.train_byte_bpe(["a\n\nb"], 300, SPECIALS)
IDEFICS = TileTextConfig(
    tile="<fake><{row}.{col}>",
    row_end="\n",
    grid_end="\n",
    overview="<fake><whole>",
    after="<fake>",
)
INTERNVL = TileTextConfig(before="<img>", after="</img>")


def drawn(config: TileTextConfig, tiles: Tiles) -> str:
    """With [] for the slots of a tile."""
    around = config.around(tiles, TOKENIZER)
    assert len(around) == tiles.num_tiles + 1
    return "[]".join(TOKENIZER.decode(ids, skip_special=False) for ids in around)


def test_rows_columns_and_the_whole_are_named():
    assert drawn(IDEFICS, Tiles(2, 2, "last", 9, 9)) == (
        "<fake><1.1>[]<fake><1.2>[]\n<fake><2.1>[]<fake><2.2>[]\n\n<fake><whole>[]<fake>"
    )


def test_a_picture_seen_whole_has_no_rows():
    assert drawn(IDEFICS, Tiles(0, 0, "last", 9, 9)) == "<fake><whole>[]<fake>"
    assert drawn(INTERNVL, Tiles(0, 0, "last", 9, 9)) == "<img>[]</img>"


def test_words_may_stand_around_all_tiles_alone():
    assert drawn(INTERNVL, Tiles(1, 2, "last", 9, 9)) == "<img>[][][]</img>"


def test_an_overview_may_come_first():
    assert drawn(IDEFICS, Tiles(1, 2, "first", 9, 9)) == (
        "<fake><whole>[]<fake><1.1>[]<fake><1.2>[]\n\n<fake>"
    )


def test_the_line_ends_behind_a_grid_are_one_text():
    # A tokenizer that knows two line ends as one token writes that one.
    last = IDEFICS.around(Tiles(1, 1, "last", 9, 9), TOKENIZER)[1]
    assert last == [
        *TOKENIZER.encode("\n\n", before="special"),
        TOKENIZER.special("<fake>"),
        TOKENIZER.special("<whole>"),
    ]
