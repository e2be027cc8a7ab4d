"""Sizes from headers: those of the opened picture, without a pixel decoded."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin
from tests.toys import shared_data

from triptych.errors import MediaError
from triptych.media import Limits, open_image, picture_size

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def content(kind: str, width: int = 31, height: int = 17, **options: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind, **options)
    return file.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[274] = orientation
    return exif


def opened(source: object) -> tuple[int, int]:
    picture = open_image(source)
    return picture.height, picture.width


@pytest.fixture
def undecodable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt to decode pixels fails the test."""

    def load(self: object) -> None:
        raise AssertionError("a pixel was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_size_is_that_of_the_picture_the_right_way_up(kind: str, orientation: int):
    picture = content(kind, exif=turned(orientation))
    assert picture_size(picture) == opened(picture)
    assert picture_size(picture) == ((31, 17) if orientation > 4 else (17, 31))


@pytest.mark.parametrize("kind", FORMATS)
def test_no_pixel_is_decoded(kind: str, tmp_path: Path, undecodable: None):
    (tmp_path / "picture").write_bytes(content(kind))
    assert picture_size(tmp_path / "picture") == picture_size(str(tmp_path / "picture")) == (17, 31)


def test_an_orientation_behind_the_pixels_of_a_png_is_found():
    plain = content("PNG")
    exif = turned(6).tobytes().removeprefix(b"Exif\x00\x00")
    file = io.BytesIO()
    file.write(plain[:-12])
    PngImagePlugin.putchunk(file, b"eXIf", exif)
    file.write(plain[-12:])
    assert picture_size(file.getvalue()) == opened(file.getvalue()) == (31, 17)


def test_all_kinds_of_sources_are_measured(tmp_path: Path):
    picture = content("JPEG")
    uri = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
    decoded = open_image(picture).rgb
    for source in (picture, uri, decoded, np.asarray(decoded)):
        assert picture_size(source) == (17, 31)


def test_a_picture_cut_off_behind_its_header_is_still_measured(tmp_path: Path):
    picture = content("JPEG", 400, 300)
    half = picture[: len(picture) // 2]
    assert picture_size(half) == (300, 400)
    with pytest.raises(MediaError, match="cut off"):
        open_image(half)


REFUSED = {
    "nothing": (b"", {}),
    "a header cut off": (content("PNG")[:20], {}),
    "a text": (b"not a picture at all", {}),
    "another kind": (content("GIF"), {"formats": ("JPEG",)}),
    "too many bytes": (content("BMP"), {"max_bytes": 100}),
    "too many pixels": (content("PNG", 60, 50), {"max_pixels": 2999}),
    "too elongated": (content("PNG", 60, 2), {"max_aspect": 29.0}),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("as_file", [False, True])
def test_what_cannot_be_opened_is_refused_in_the_same_words(
    case: str, as_file: bool, tmp_path: Path
):
    source, limits = REFUSED[case]
    if as_file:
        (tmp_path / "picture.jpg").write_bytes(source)
        source = tmp_path / "picture.jpg"
    with pytest.raises(MediaError) as ours:
        picture_size(source, limits=Limits(**limits))
    with pytest.raises(MediaError) as theirs:
        open_image(source, limits=Limits(**limits))
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("source", ["https://example.com/7.jpg", "nowhere.jpg", 7])
def test_what_is_no_picture_is_refused_as_by_opening(source: object):
    with pytest.raises(MediaError) as ours:
        picture_size(source)
    with pytest.raises(MediaError) as theirs:
        open_image(source)
    assert str(ours.value) == str(theirs.value)


def test_real_photographs_and_charts_measure_as_they_open():
    folder = shared_data("grounding", "coco128", "images", "val2017")
    paths = [*sorted(folder.glob("*.jpg"))[:10]]
    paths += sorted(shared_data("charts", "chartqa_test", "images").glob("*.png"))[:10]
    assert len(paths) == 20
    assert [picture_size(path) for path in paths] == [opened(path) for path in paths]
