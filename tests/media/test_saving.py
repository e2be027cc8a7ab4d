"""Pictures written where a person says."""

from pathlib import Path

import pytest
from PIL import Image

from triptych.errors import UsageError
from triptych.media import check_ending, save_picture


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.jpeg", "a.webp", "a.bmp"])
def test_the_ending_says_which_kind_of_picture_is_written(tmp_path, name):
    save_picture(Image.new("RGB", (5, 4), "red"), tmp_path / name)
    kind = Path(name).suffix[1:].upper().replace("JPG", "JPEG")
    with Image.open(tmp_path / name) as opened:
        assert (opened.format, opened.size) == (kind, (5, 4))


@pytest.mark.parametrize("name", ["a", "a.txt", "png", "a.png.part"])
def test_a_name_of_no_kind_is_refused(tmp_path, name):
    for act in (check_ending, lambda path: save_picture(Image.new("RGB", (1, 1)), path)):
        with pytest.raises(UsageError, match=r"which kind of picture to write; let it end in .png"):
            act(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
