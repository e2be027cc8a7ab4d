"""Pictures are untrusted: what opens, what it looks like afterwards, and what is refused."""

import base64
import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from triptych.errors import ConfigError, MediaError
from triptych.media import Limits, Picture, open_image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners() -> Image.Image:
    """Red, green over blue, white: four blocks of 16 pixels, so that every turn shows."""
    image = Image.new("RGB", (32, 48))
    for colour, box in zip(
        (RED, GREEN, BLUE, WHITE),
        ((0, 0, 16, 24), (16, 0, 32, 24), (0, 24, 16, 48), (16, 24, 32, 48)),
        strict=True,
    ):
        image.paste(colour, box)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def near(image: Image.Image, xy: tuple[int, int], colour: tuple[int, ...], within: int = 2) -> bool:
    return all(abs(a - b) <= within for a, b in zip(image.getpixel(xy), colour, strict=True))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nearly nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def refusal(source: object, **limits: object) -> str:
    with pytest.raises(MediaError) as caught:
        open_image(source, limits=Limits(**limits))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 300
    return message


# -- every way in shows the same picture ----------------------------------------------------------


def test_all_ways_in_show_the_same_picture(tmp_path):
    original = corners()
    path = tmp_path / "corners.png"
    path.write_bytes(encoded(original))
    uri = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    array = np.asarray(original)
    sources = [path, str(path), path.read_bytes(), bytearray(path.read_bytes()), uri, original]
    sources += [array, array.astype(np.float32) / 255, array.astype(np.float64) / 255]
    for source in sources:
        picture = open_image(source)
        assert isinstance(picture, Picture)
        assert (picture.width, picture.height) == (32, 48)
        assert picture.rgb.mode == "RGB"
        assert np.array_equal(np.asarray(picture.rgb), array), type(source)


def test_the_source_is_described_for_messages(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(corners()))
    assert open_image(path).source == str(path)
    assert open_image(path.read_bytes()).source == "picture given as bytes"
    assert open_image(np.zeros((2, 3), np.uint8)).source == "array of shape (2, 3)"


def test_the_picture_is_a_copy():
    original = corners()
    picture = open_image(original)
    original.putpixel((0, 0), BLUE)
    assert picture.rgb.getpixel((0, 0)) == RED


def test_the_content_decides_the_kind_not_the_name(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encoded(corners()))
    assert open_image(path).rgb.getpixel((0, 0)) == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_allowed_kind_opens(kind):
    picture = open_image(encoded(corners(), kind))
    assert near(picture.rgb, (4, 4), RED, within=6) and near(picture.rgb, (28, 40), WHITE, within=6)


def test_a_kind_can_be_disallowed():
    assert "is a BMP picture" in refusal(encoded(corners(), "BMP"), formats=("JPEG", "PNG"))


# -- the right way up, in the right colours -------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corners().transpose(undo[orientation]) if orientation > 1 else corners()
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_image(encoded(stored, kind, exif=exif.tobytes()))
    assert (picture.width, picture.height) == (32, 48)
    for xy, colour in {(4, 4): RED, (28, 4): GREEN, (4, 40): BLUE, (28, 40): WHITE}.items():
        assert near(picture.rgb, xy, colour, within=8), (orientation, xy)


def test_a_pil_image_is_turned_once():
    exif = Image.Exif()
    exif[0x0112] = 6
    lazy = Image.open(io.BytesIO(encoded(corners(), "JPEG", exif=exif.tobytes())))
    once = open_image(lazy)
    assert (once.width, once.height) == (48, 32)
    assert open_image(once.rgb).width == 48


def test_damaged_exif_turns_nothing_and_warns_of_nothing():
    for exif in (
        b"Exif\x00\x00MM\x00*\x00\x00\xff\xff",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\x7f",
    ):
        picture = open_image(encoded(corners(), "JPEG", exif=exif))
        assert (picture.width, picture.height) == (32, 48)


def test_transparency_shows_white():
    picture = Image.new("RGBA", (4, 1), (255, 0, 0, 255))
    picture.putpixel((1, 0), (255, 0, 0, 128))
    picture.putpixel((2, 0), (0, 255, 0, 0))
    for kind in ("PNG", "TIFF"):
        rgb = open_image(encoded(picture, kind)).rgb
        assert rgb.getpixel((0, 0)) == RED
        assert near(rgb, (1, 0), (255, 127, 127))
        assert rgb.getpixel((2, 0)) == WHITE
    array = np.asarray(picture)
    assert open_image(array).rgb.getpixel((2, 0)) == WHITE


def test_grey_with_alpha_shows_white():
    picture = Image.new("LA", (2, 1), (10, 255))
    picture.putpixel((1, 0), (10, 0))
    rgb = open_image(encoded(picture)).rgb
    assert rgb.getpixel((0, 0)) == (10, 10, 10) and rgb.getpixel((1, 0)) == WHITE


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 255])], ids=["index", "table"])
def test_a_palette_with_a_transparent_entry_shows_white(transparency):
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    for index in range(3):
        picture.putpixel((index, 0), index)
    rgb = open_image(encoded(picture, transparency=transparency)).rgb
    assert [rgb.getpixel((i, 0)) for i in range(3)] == [RED, WHITE, BLUE]
    assert open_image(encoded(picture, "GIF", transparency=1)).rgb.getpixel((1, 0)) == WHITE


@pytest.mark.parametrize("mode, transparent", [("RGB", (0, 255, 0)), ("L", 7), ("1", 0)])
def test_a_transparent_colour_shows_white(mode, transparent):
    picture = Image.new(mode, (2, 1), transparent)
    picture.putpixel((1, 0), 255 if mode != "RGB" else BLUE)
    rgb = open_image(encoded(picture, transparency=transparent)).rgb
    assert rgb.getpixel((0, 0)) == WHITE
    assert rgb.getpixel((1, 0)) == (BLUE if mode == "RGB" else WHITE)


def test_premultiplied_alpha_shows_white():
    picture = Image.new("RGBA", (1, 1), (200, 100, 50, 0)).convert("RGBa")
    assert open_image(picture).rgb.getpixel((0, 0)) == WHITE


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind):
    values = np.array([[0, 256, 32768, 65535]], np.uint16)
    rgb = open_image(encoded(Image.fromarray(values), kind)).rgb
    assert [rgb.getpixel((i, 0))[0] for i in range(4)] == [0, 1, 128, 255]


def test_sixteen_bit_grey_with_a_transparent_value_shows_white():
    values = np.array([[0, 1000]], np.uint16)
    picture = Image.fromarray(values)
    rgb = open_image(encoded(picture, transparency=1000)).rgb
    assert [rgb.getpixel((i, 0))[0] for i in range(2)] == [0, 255]


def test_grey_values_without_a_known_white_are_refused():
    assert "scale them to 0..65535" in refusal(Image.fromarray(np.array([[70_000]], np.int32)))
    assert "scale them to 0..1" in refusal(Image.fromarray(np.array([[2.0]], np.float32)))
    assert open_image(Image.fromarray(np.array([[1.0]], np.float32))).rgb.getpixel((0, 0)) == WHITE


def test_one_bit_and_eight_bit_grey_become_rgb():
    assert open_image(encoded(Image.new("1", (2, 2), 1))).rgb.getpixel((0, 0)) == WHITE
    assert open_image(encoded(Image.new("L", (2, 2), 9))).rgb.getpixel((0, 0)) == (9, 9, 9)


def test_cmyk_becomes_rgb():
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert near(open_image(encoded(picture, "JPEG")).rgb, (8, 8), RED, within=3)
    assert near(open_image(encoded(picture, "TIFF")).rgb, (8, 8), RED)


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and green exchanged: unmistakable when applied."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = {profile[i : i + 4].decode("latin1"): i for i in range(132, 132 + 12 * profile[131], 12)}
    red, green = at["rXYZ"] + 4, at["gXYZ"] + 4
    profile[red : red + 8], profile[green : green + 8] = (
        profile[green : green + 8],
        profile[red : red + 8],
    )
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "ODD!".encode("utf-16-be"))


def test_an_embedded_colour_profile_is_applied():
    odd = swapped_profile()
    assert near(open_image(encoded(corners(), icc_profile=odd)).rgb, (4, 4), GREEN, within=3)
    palette = corners().quantize(4)
    assert near(open_image(encoded(palette, icc_profile=odd)).rgb, (4, 4), GREEN, within=3)


def test_an_srgb_or_damaged_profile_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"not a profile", swapped_profile()[:200]):
        picture = open_image(encoded(corners(), icc_profile=profile))
        assert np.array_equal(np.asarray(picture.rgb), np.asarray(corners()))


def test_an_animation_shows_its_first_frame():
    red, blue = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        content = encoded(red, kind, save_all=True, append_images=[blue])
        assert near(open_image(content).rgb, (4, 4), RED, within=3), kind


# -- sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "height, width", [(1, 1), (1, 3), (3, 1), (1, 4), (4, 3), (3, 4), (1, 200)]
)
def test_tiny_pictures_are_legal(height, width):
    for source in (np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)):
        picture = open_image(source)
        assert (picture.height, picture.width) == (height, width)
    assert open_image(encoded(Image.new("RGB", (width, height)))).width == width


def test_an_elongated_picture_is_refused_by_its_aspect():
    message = refusal(encoded(Image.new("RGB", (1, 10_000))))
    assert "1 x 10000 pixels" in message and "10,000 times" in message and "crop it" in message
    assert "1 x 10000" in refusal(np.zeros((10_000, 1, 3), np.uint8))
    assert open_image(Image.new("RGB", (1, 10_000)), limits=Limits(max_aspect=10_000.0)).width == 1


@pytest.mark.parametrize(
    "width, height", [(40_000, 40_000), (2**31 - 1, 2**31 - 1), (10**6, 10**4)]
)
def test_a_huge_png_header_is_refused_before_decoding(width, height):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        message = refusal(png_header(width, height))
    assert f"{width} x {height}" in message and "max_pixels" in message


def test_a_picture_that_pillow_would_warn_about_is_refused_by_our_limit_alone():
    assert "96,000,000 pixels" in refusal(png_header(12_000, 8_000))
    assert "damaged" in refusal(png_header(12_000, 8_000), max_pixels=10**8)


def test_huge_headers_of_other_kinds_are_refused():
    gif = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + encoded(corners(), "GIF")[10:]
    assert "60000 x 60000" in refusal(gif)
    bmp = bytearray(encoded(corners(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    assert "50000 x 50000" in refusal(bytes(bmp))
    jpeg = bytearray(encoded(corners(), "JPEG"))
    start = jpeg.index(b"\xff\xc0")
    jpeg[start + 5 : start + 9] = struct.pack(">HH", 65_000, 65_000)
    assert "65000 x 65000" in refusal(bytes(jpeg))
    frames = {"save_all": True, "append_images": [Image.new("RGB", (32, 48))]}
    webp = bytearray(encoded(corners(), "WEBP", **frames))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = (11_999).to_bytes(3, "little") * 2
    assert "12000 x 12000" in refusal(bytes(webp))


def test_a_tiff_with_huge_tiles_is_refused():
    tiff = bytearray(encoded(corners(), "TIFF"))
    entries = struct.unpack_from("<H", tiff, (ifd := struct.unpack_from("<I", tiff, 4)[0]))[0]
    assert entries >= 2
    # Make the last two entries TileWidth and TileLength of 60,000.
    for tag, index in ((322, entries - 2), (323, entries - 1)):
        struct.pack_into("<HHII", tiff, ifd + 2 + 12 * index, tag, 4, 1, 60_000)
    assert "tiles of 60000 x 60000" in refusal(bytes(tiff))


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(2**42)  # a hole, that would not fit into memory
    assert "4,398,046,511,104 bytes" in refusal(path)
    assert "max_bytes" in refusal(bytes(2000), max_bytes=1000)
    assert "max_bytes" in refusal("data:image/png;base64," + "A" * 4000, max_bytes=1000)


def test_decompression_of_text_chunks_is_bounded():
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "0" * 100_000_000, zip=True)
    assert "damaged" in refusal(encoded(corners(), pnginfo=info))


def test_opening_leaves_the_limits_of_pillow_alone():
    before = Image.MAX_IMAGE_PIXELS
    open_image(encoded(corners()))
    assert before == Image.MAX_IMAGE_PIXELS


# -- what is not a picture ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"just some notes\nin a text file", "a text file"),
        ("größer".encode(), "a text file"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"\n  <HTML><body>404</body></html>", "a web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'<?xml version="1.0"?><svg/>', "an XML file"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"PK\x03\x04....", "a ZIP archive"),
        (b"\x00\x00\x00\x18ftypheic....", "a HEIC photo"),
        (b"\x00\x00\x00\x18ftypavif....", "an AVIF picture"),
        (b"\x00\x00\x00\x18ftypisom....", "a video"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a text file"),
        (b"\x00\x01\x02\x03\x04\x05", "a file of an unknown kind"),
    ],
)
def test_disguised_files_are_named(tmp_path, content, kind):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path} is {kind}, not one of JPEG, PNG, WEBP")


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.png"
    path.touch()
    assert refusal(path) == f"{path} is empty (0 bytes); copy or download it again"
    assert "empty" in refusal(b"")


def test_missing_files_folders_and_odd_paths_are_refused(tmp_path):
    assert f"there is no file {tmp_path / 'no.png'}" in refusal(tmp_path / "no.png")
    assert "is a folder" in refusal(tmp_path)
    assert "cannot be read" in refusal("a\0b.png")
    assert "cannot be read" in refusal("A" * 10_000)
    assert "cannot be read" in refusal(__file__ + "/picture.png")
    assert "there is no file ; check" in refusal("")


def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")
    assert "not a regular file" in refusal("/dev/zero")


def test_long_names_are_shortened_and_made_printable():
    message = refusal("x" * 3000 + "\n\x1b[31m.png")
    assert "…" in message and "\x1b" not in message


@pytest.mark.parametrize("address", ["http://x.org/a.png", "https://x.org/a.png", "HTTPS:/x.org"])
def test_web_addresses_are_never_fetched(address):
    message = refusal(address)
    assert "never fetched" in message and "download it first" in message


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x.org/a", "s3://bucket/a.png"])
def test_other_addresses_are_refused(address):
    assert "give the path of a file" in refusal(address)


@pytest.mark.parametrize(
    "uri, problem",
    [
        ("data:image/png;base64", "not base64"),
        ("data:image/png,%89PNG", "not base64"),
        ("data:image/png;base64,@@@@", "damaged"),
        ("data:image/png;base64,AAA", "damaged"),
        ("data:image/png;base64,é", "damaged"),
        ("data:image/png;base64,", "empty"),
        ("data:text/html;base64," + base64.b64encode(b"<html>").decode(), "a web page"),
    ],
)
def test_damaged_data_uris_are_refused(uri, problem):
    assert problem in refusal(uri)


def test_a_data_uri_may_be_wrapped_into_lines_and_lack_a_media_type():
    payload = base64.encodebytes(encoded(corners())).decode()
    assert open_image("DATA:;base64," + payload).width == 32


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_cut_off_pictures_are_refused_at_every_length(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    content = encoded(noise, kind)
    for length in {*range(1, 120), *range(120, len(content) * 3 // 4, 97)}:
        refusal(content[:length])


def test_random_damage_never_escapes_as_anything_else():
    random = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        content = encoded(corners(), kind)
        for _ in range(150):
            damaged = np.frombuffer(content, np.uint8).copy()
            places = random.integers(4, len(content), 4)
            damaged[places] = random.integers(0, 256, 4)
            try:
                picture = open_image(damaged.tobytes())
            except MediaError:
                continue
            assert picture.rgb.mode == "RGB"


# -- arrays and other objects ---------------------------------------------------------------------


def test_arrays_are_rows_by_columns_by_channels():
    array = np.zeros((2, 3, 3), np.uint8)
    array[1, 2] = RED
    assert open_image(array).rgb.getpixel((2, 1)) == RED
    assert open_image(array[:, :, :1]).width == 3
    assert open_image(array[::-1, ::-1]).rgb.getpixel((0, 0)) == RED
    assert open_image(np.array([[True, False]])).rgb.getpixel((0, 0)) == WHITE


def test_floats_are_rounded_to_the_nearest_colour():
    array = np.array([[0.0, 0.5, 1.0, 0.9999]])
    rgb = open_image(array).rgb
    assert [rgb.getpixel((i, 0))[0] for i in range(4)] == [0, 128, 255, 255]


@pytest.mark.parametrize(
    "array, problem",
    [
        (np.zeros((3, 8, 8), np.uint8), "transpose(1, 2, 0)"),
        (np.zeros((8, 8, 2), np.uint8), "3 or 4 channels last"),
        (np.zeros((1, 8, 8, 3), np.uint8), "3 or 4 channels last"),
        (np.zeros(8, np.uint8), "3 or 4 channels last"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        (np.zeros((8, 0), np.uint8), "no pixels"),
        (np.full((8, 8), 255.0), "scale them to 0..1"),
        (np.full((8, 8), -0.1), "scale them to 0..1"),
        (np.full((8, 8), np.nan), "scale them to 0..1"),
        (np.zeros((8, 8), np.int64), "give uint8"),
        (np.zeros((8, 8), np.complex64), "give uint8"),
        (np.zeros((8, 8), object), "give uint8"),
        (np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (10**5, 10**5), (0, 0)), "pixels"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array, problem):
    assert problem in refusal(array)


@pytest.mark.parametrize("thing", [None, 3, ["a.png"], {"url": "a.png"}, io.BytesIO(b"x")])
def test_other_things_are_refused_by_name(thing):
    assert type(thing).__name__ in refusal(thing)


def test_limits_that_make_no_sense_are_refused():
    for wrong in ({"max_bytes": 0}, {"max_pixels": 0}, {"max_aspect": 0.5}):
        with pytest.raises(ConfigError, match="at least 1"):
            Limits(**wrong)
    with pytest.raises(ConfigError, match="did you mean JPEG"):
        Limits(formats=("JPEGS",))


def test_nothing_is_printed_and_no_warning_leaks(capfd):
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\x7f"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        refusal(png_header(12_000, 8_000))
        refusal(png_header(40_000, 40_000))
        refusal(encoded(corners(), "TIFF")[:300])
        open_image(encoded(corners(), "JPEG", exif=exif))
    assert not caught
    assert capfd.readouterr() == ("", "")
