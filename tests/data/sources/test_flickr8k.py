"""Flickr8k: every picture with its captions, and every picture that is left out."""

from pathlib import Path

import pytest
from tests.toys import shared_data

from triptych.data.sources.flickr8k import CaptionedImage, read_flickr8k
from triptych.errors import DataError

CAPTIONS = """\
a.jpg#1\tThe second caption .
a.jpg#0\tThe first caption .
b.jpg#0\tA cat .
c.jpg#0\tA bus .
d.jpg#0\tA boat .
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures: two to train on, one each to develop and to test with."""
    (tmp_path / "Flickr8k.token.txt").write_text(CAPTIONS)
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("b.jpg\na.jpg\n")
    (tmp_path / "Flickr_8k.devImages.txt").write_text("c.jpg\n")
    (tmp_path / "Flickr_8k.testImages.txt").write_text("d.jpg\n")
    (tmp_path / "images").mkdir()
    for name in "abcd":
        (tmp_path / "images" / f"{name}.jpg").touch()
    return tmp_path


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_pictures_come_in_the_order_of_the_split_with_captions_in_their_own(folder: Path):
    splits, ledger = read_flickr8k(folder)

    assert [item.image_id for item in splits["train"]] == ["b.jpg", "a.jpg"]
    assert splits["train"][1] == CaptionedImage(
        "a.jpg", folder / "images" / "a.jpg", ("The first caption .", "The second caption .")
    )
    assert [len(splits[name]) for name in ("train", "dev", "test")] == [2, 1, 1]
    assert ledger.num_kept == 4
    assert ledger.left_out == []


def test_a_missing_picture_is_listed(folder: Path):
    (folder / "images" / "b.jpg").unlink()
    splits, ledger = read_flickr8k(folder, tolerate=0.5)

    assert [item.image_id for item in splits["train"]] == ["a.jpg"]
    assert ledger.counts() == {"picture file missing": 1}
    assert ledger.left_out[0].sample_id == "b.jpg"


def test_too_many_missing_pictures_stop_the_run(folder: Path):
    (folder / "images" / "b.jpg").unlink()
    with pytest.raises(
        DataError, match=r"1 of 4 samples \(25.00%\).*\n  b.jpg: b.jpg of the train"
    ):
        read_flickr8k(folder)


def test_a_picture_without_captions_is_listed(folder: Path):
    append(folder / "Flickr_8k.testImages.txt", "e.jpg\n")
    (folder / "images" / "e.jpg").touch()
    assert read_flickr8k(folder, tolerate=0.5)[1].counts() == {"no captions": 1}


def test_a_picture_of_no_split_is_listed(folder: Path):
    append(folder / "Flickr8k.token.txt", "e.jpg#0\tA tree .\n")
    assert read_flickr8k(folder)[1].counts() == {"in no official split": 1}


def test_the_bad_name_of_the_published_file_is_listed_with_its_line(folder: Path):
    append(folder / "Flickr8k.token.txt", "c.jpg.1#0\tA tram .\n")
    splits, ledger = read_flickr8k(folder)

    assert splits["dev"][0].captions == ("A bus .",)
    assert ledger.counts() == {"malformed picture name": 1}
    assert ledger.left_out[0].detail.endswith("Flickr8k.token.txt:6 names c.jpg.1")


@pytest.mark.parametrize("line", ["a.jpg A dog", "a.jpg#x\tA dog", "a.jpg#0\t  ", "#0\tA dog"])
def test_a_line_that_is_no_caption_is_refused_with_its_place(folder: Path, line: str):
    append(folder / "Flickr8k.token.txt", line + "\n")
    with pytest.raises(DataError, match=r"token\.txt:6 reads .* is not `name\.jpg#0<tab>caption`"):
        read_flickr8k(folder)


def test_a_caption_given_twice_is_refused(folder: Path):
    append(folder / "Flickr8k.token.txt", "a.jpg#0\tAgain .\n")
    with pytest.raises(DataError, match=r":6 gives caption 0 of a\.jpg again"):
        read_flickr8k(folder)


def test_a_picture_in_two_splits_is_refused(folder: Path):
    append(folder / "Flickr_8k.testImages.txt", "a.jpg\n")
    with pytest.raises(DataError, match=r"testImages\.txt:2 names a\.jpg, which .*trainImages.*:2"):
        read_flickr8k(folder)


def test_a_line_that_is_not_utf8_is_refused_with_its_place(folder: Path):
    path = folder / "Flickr8k.token.txt"
    path.write_bytes(path.read_bytes() + b"a.jpg#2\tcaf\xe9\n")
    with pytest.raises(DataError, match=r":6 is not UTF-8 \(byte 0xe9 in column 12\)"):
        read_flickr8k(folder)


@pytest.mark.parametrize("name", ["Flickr8k.token.txt", "Flickr_8k.devImages.txt"])
def test_a_missing_file_is_named(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is not there; it should hold"):
        read_flickr8k(folder)


def test_a_missing_picture_folder_is_named(folder: Path):
    (folder / "images").rename(folder / "photos")
    with pytest.raises(DataError, match=r"holds no folder of pictures; unpack them into .*images"):
        read_flickr8k(folder)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="nowhere is not a folder"):
        read_flickr8k(tmp_path / "nowhere")


def test_lines_may_end_as_on_windows(folder: Path):
    path = folder / "Flickr8k.token.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_flickr8k(folder)[0]["dev"][0].captions == ("A bus .",)


def test_the_real_data_set_has_the_official_splits_less_four_pictures():
    splits, ledger = read_flickr8k(shared_data("flickr8k"))

    assert {name: len(items) for name, items in splits.items()} == {
        "train": 5996,
        "dev": 1000,
        "test": 1000,
    }
    assert all(len(item.captions) == 5 for items in splits.values() for item in items)
    assert ledger.num_kept == 7996
    assert ledger.counts() == {
        "in no official split": 92,
        "picture file missing": 4,
        "malformed picture name": 1,
    }
    missing = {each.sample_id for each in ledger.left_out if each.reason == "picture file missing"}
    assert missing == {
        "3524436870_7670df68e8.jpg",
        "3050606344_af711c726c.jpg",
        "3523972229_d44e9ff6d7.jpg",
        "3526897578_3cf77da99b.jpg",
    }
