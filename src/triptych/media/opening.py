"""Open one picture from wherever it comes, safely, as the right way up RGB.

A picture is untrusted input. Its kind is decided by its content, never by its name; its size is
read from the header and checked before a single pixel is decoded; everything that can go wrong
becomes one `MediaError` sentence. Nothing is ever fetched from a network.
"""

import base64
import binascii
import io
import os
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from triptych.errors import ConfigError, MediaError, nearest
from triptych.media.colours import to_rgb, upright
from triptych.media.content import FORMATS, guess_format, guess_kind
from triptych.media.reading import BinaryFile, read_file, shorten, too_many_bytes

PLUGINS: dict[str, Callable[[BinaryFile], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
"""Pillow's reader of each kind. `Image.open` would warn about large pictures before their size can
be looked at, and would offer the content to some forty decoders; calling the one that fits does
neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is refused before it is decoded."""

    max_bytes: int = 20 * 2**20
    """Size of the encoded picture."""

    max_pixels: int = 50_000_000
    """Width times height, read from the header."""

    max_aspect: float = 200.0
    """Longer side over shorter side."""

    formats: tuple[str, ...] = FORMATS
    """Kinds of picture files that are decoded; the content decides which one a file is."""

    def __post_init__(self) -> None:
        if self.max_bytes < 1 or self.max_pixels < 1 or not self.max_aspect >= 1:
            raise ConfigError(
                f"limits must be at least 1, got max_bytes={self.max_bytes}, "
                f"max_pixels={self.max_pixels}, max_aspect={self.max_aspect}"
            )
        for name in self.formats:
            if name not in FORMATS:
                raise ConfigError(f"no picture format {name!r}; {nearest(name, FORMATS)}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: the right way up, three colours, no transparency."""

    rgb: Image.Image
    """Mode RGB."""
    width: int
    """In pixels, after turning it the right way up."""
    height: int
    source: str
    """A short description for messages: the path, or what kind of thing it came from."""


def open_image(source: object, *, limits: Limits | None = None) -> Picture:
    """Open a path, bytes, PIL image, numpy array or data URI as the right way up RGB.

    EXIF orientation is applied, transparency is composited on white, 16-bit grey is scaled (not
    clipped), CMYK and embedded colour profiles become sRGB, and of an animation the first frame
    is taken. Arrays are rows by columns by channels: uint8 0..255, or floats 0..1.

    Raises:
        MediaError: the picture is missing, empty, too large, too elongated, broken, not a
            picture at all, or would have to be fetched from a network.
    """
    limits = limits or Limits()
    if isinstance(source, Image.Image):
        return _finish(source, "PIL image", limits)
    if isinstance(source, np.ndarray):
        return _from_array(cast(NDArray[np.generic], source), limits)
    if isinstance(source, bytes | bytearray):
        return _from_bytes(bytes(source), "picture given as bytes", limits)
    if isinstance(source, str):
        return _from_text(source, limits)
    if isinstance(source, os.PathLike):
        path = os.fspath(cast("os.PathLike[str]", source))
        return _from_bytes(read_file(path, limits.max_bytes, "picture"), shorten(path), limits)
    raise MediaError(
        f"a picture cannot be opened from {type(source).__name__}; "
        "give a path, bytes, a PIL image, a numpy array or a data URI"
    )


def _from_text(text: str, limits: Limits) -> Picture:
    if text[:5].lower() == "data:":
        return _from_bytes(decode_data_uri(text, limits), "data URI", limits)
    if re.match(r"https?:", text, re.IGNORECASE):
        raise MediaError(
            f"{shorten(text)} is a web address, and pictures are never fetched from the network; "
            "download it first and give the file"
        )
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise MediaError(f"{shorten(text)} is an address, not a path; give the path of a file")
    return _from_bytes(read_file(text, limits.max_bytes, "picture"), shorten(text), limits)


def decode_data_uri(text: str, limits: Limits) -> bytes:
    """What a data URI holds.

    Raises:
        MediaError: it is not base64, or too large.
    """
    header, comma, payload = text.partition(",")
    if not comma or not header.lower().endswith(";base64"):
        raise MediaError(
            "the data URI is not base64; write data:image/png;base64, followed by the content"
        )
    if len(payload) // 4 * 3 > limits.max_bytes + 3:
        raise too_many_bytes("data URI", len(payload) // 4 * 3, limits.max_bytes)
    try:
        return base64.b64decode("".join(payload.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MediaError(
            "the data URI's base64 text is damaged; encode the picture again"
        ) from error


def _from_bytes(content: bytes, name: str, limits: Limits) -> Picture:
    if not content:
        raise MediaError(f"{name} is empty (0 bytes); copy or download it again")
    if len(content) > limits.max_bytes:
        raise too_many_bytes(name, len(content), limits.max_bytes)
    kind = guess_format(content)
    if kind not in limits.formats:
        raise MediaError(
            f"{name} is {guess_kind(content)}, not one of {', '.join(limits.formats)}; "
            "save the picture as one of these"
        )
    silence_metadata_warnings()
    try:
        image = PLUGINS[kind](io.BytesIO(content))
    except Exception as error:  # decoders raise anything on damaged input
        raise broken(name, kind) from error
    return _finish(image, name, limits)


def _from_array(array: NDArray[np.generic], limits: Limits) -> Picture:
    name = f"array of shape {array.shape}"
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        cure = "rows x columns, with 3 or 4 channels last"
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            cure = "channels last: use array.transpose(1, 2, 0)"
        raise MediaError(f"{name} is not a picture; give {cure}")
    check_size(array.shape[1], array.shape[0], name, limits)
    return _finish(Image.fromarray(_as_bytes(array, name)), name, limits)


def _as_bytes(array: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if not np.issubdtype(array.dtype, np.floating):
        raise MediaError(
            f"{name} holds {array.dtype}; give uint8 from 0 to 255 or floats from 0 to 1"
        )
    values = array.astype(np.float32)
    if not (values.min() >= 0 and values.max() <= 1):  # also false for NaN
        raise MediaError(
            f"{name} holds floats from {values.min():g} to {values.max():g}; scale them to 0..1"
        )
    return (values * 255 + 0.5).astype(np.uint8)


def _finish(image: Image.Image, name: str, limits: Limits) -> Picture:
    check_size(*image.size, name, limits)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_tiles(image, name, limits)
    silence_metadata_warnings()
    try:
        image.load()
        rgb = to_rgb(upright(image), name)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(f"{name} does not fit into memory; make it smaller") from error
    except Exception as error:  # decoders raise anything on damaged input
        raise broken(name, image.format) from error
    check_size(*rgb.size, name, limits)
    return Picture(rgb=rgb, width=rgb.width, height=rgb.height, source=name)


def check_size(width: int, height: int, name: str, limits: Limits) -> None:
    """Refuse a picture without pixels, with too many, or too elongated.

    Raises:
        MediaError: says which.
    """
    if width < 1 or height < 1:
        raise MediaError(f"{name} has no pixels ({width} x {height}); give another picture")
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name} is {width} x {height} = {width * height:,} pixels, more than the "
            f"{limits.max_pixels:,} allowed; make it smaller or raise max_pixels"
        )
    aspect = max(width, height) / min(width, height)
    if aspect > limits.max_aspect:
        raise MediaError(
            f"{name} is {width} x {height} pixels, one side {aspect:,.0f} times the other, and "
            f"at most {limits.max_aspect:g} times is allowed; crop it"
        )


def _check_tiles(image: TiffImagePlugin.TiffImageFile, name: str, limits: Limits) -> None:
    """A small TIFF may be cut from huge tiles, and a whole tile is decoded at once."""
    width, height = image.tag_v2.get(322, 1), image.tag_v2.get(323, 1)
    if not (isinstance(width, int) and isinstance(height, int)):
        raise broken(name, "TIFF")
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name} has tiles of {width} x {height} pixels, more than the "
            f"{limits.max_pixels:,} pixels allowed; save it without tiles"
        )


def silence_metadata_warnings() -> None:
    """Keep quiet about damaged EXIF and animation data, which do not concern the pixels.

    These few modules are silenced for good, because restoring the filters afterwards would undo
    what other threads do to them meanwhile.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.(Tiff|Png|Jpeg)ImagePlugin")


def broken(name: str, kind: str | None) -> MediaError:
    """The refusal of what cannot be decoded."""
    return MediaError(
        f"{name} is damaged or cut off and cannot be decoded as {kind or 'a picture'}; "
        "copy or download it again, or save it anew"
    )
