"""Open a picture safely, whatever it comes as, and give it back as upright RGB.

What a file is decides its content, never its name. Size limits are checked on the header, before
any pixel is decoded. Nothing is fetched from the network.
"""

import base64
import binascii
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from triptych.errors import MediaError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""What may be opened; decoders of other formats are not even asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What is refused before it can do harm."""

    max_bytes: int = 64 * 2**20
    """Largest file."""

    max_pixels: int = 100_000_000
    """Most pixels, width times height."""

    max_aspect: int = 200
    """Longer side over shorter side."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An opened picture."""

    rgb: Image.Image
    source: str
    """Where it came from, for messages."""

    @property
    def width(self) -> int:
        return self.rgb.width

    @property
    def height(self) -> int:
        return self.rgb.height


def open_image(source: object, *, limits: Limits | None = None) -> Picture:
    """Open a path, bytes, data URI, array (uint8, or float in 0..1) or PIL image.

    EXIF orientation is applied, transparency lies on white, 16-bit grey is scaled to 8 bits.

    Raises:
        MediaError: the picture is missing, not a picture, broken, or over a limit.
    """
    limits = limits or Limits()
    name = _name(source)
    if isinstance(source, Image.Image):
        _check_size(source, name, limits)
        return Picture(_to_rgb(source, name), name)
    if isinstance(source, np.ndarray):
        image = Image.fromarray(_to_bytes_array(cast("np.ndarray[Any, Any]", source), name))
        _check_size(image, name, limits)
        return Picture(image.convert("RGB"), name)
    data = _read(source, name, limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own limits speak instead of Pillow's warnings
        return Picture(_decode(data, name, limits), name)


def _name(source: object) -> str:
    match source:
        case bytes() | bytearray():
            return f"the picture of {len(source)} bytes"
        case np.ndarray():
            return f"the array of shape {tuple(source.shape)}"
        case Image.Image():
            return getattr(source, "filename", "") or "the PIL image"
        case str() if source.startswith("data:"):
            return "the data URI"
        case _:
            return str(source)


def _read(source: object, name: str, limits: Limits) -> bytes:
    if isinstance(source, bytes | bytearray):
        return bytes(source)
    if isinstance(source, str) and source.startswith("data:"):
        return _decode_data_uri(source)
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        raise MediaError(f"{source} is a web address; download the picture and give its path")
    if not isinstance(source, str | Path):
        raise MediaError(
            f"a {type(source).__name__} is not a picture; give a path, bytes, an array, a PIL "
            "image or a data URI"
        )
    path = Path(source)
    if path.is_dir():
        raise MediaError(f"{name} is a folder; give a picture file")
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise MediaError(f"{name} has {size:,} bytes, more than {limits.max_bytes:,}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MediaError(f"{name} does not exist; check the path") from error
    except OSError as error:
        raise MediaError(f"{name} cannot be read: {error.strerror}") from error


def _decode_data_uri(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma or not head.startswith("data:image/") or not head.endswith(";base64"):
        raise MediaError("a data URI must begin with data:image/...;base64, and hold a picture")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MediaError(f"the data URI is not valid base64: {error}") from error


def _decode(data: bytes, name: str, limits: Limits) -> Image.Image:
    if not data:
        raise MediaError(f"{name} is empty")
    if len(data) > limits.max_bytes:
        raise MediaError(f"{name} has {len(data):,} bytes, more than {limits.max_bytes:,}")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise MediaError(f"{name} is not a picture: {_looks_like(data)}") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{name} has a broken header: {error}") from error
    _check_size(image, name, limits)
    try:
        image.load()
        return _to_rgb(image, name)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(
            f"{name} is a {image.format} that breaks off or is damaged ({error}); "
            "copy or download it again"
        ) from error


def _looks_like(data: bytes) -> str:
    start = data[:64].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg")):
        return "it holds markup (HTML, XML or SVG); save the picture itself"
    if start.startswith(b"%pdf"):
        return "it is a PDF; export the page as PNG"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data[:256]):
        return "it holds text, whatever its name says"
    return f"its content is none of {', '.join(FORMATS)}"


def _check_size(image: Image.Image, name: str, limits: Limits) -> None:
    width, height = image.size
    if min(width, height) < 1:
        raise MediaError(f"{name} has no pixels ({width} x {height})")
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name} is {width} x {height} = {width * height:,} pixels, more than "
            f"{limits.max_pixels:,}; make it smaller"
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise MediaError(
            f"{name} is {width} x {height}, more than {limits.max_aspect} times as long as wide; "
            "cut it into parts"
        )


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _wide_grey(image)
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    if not has_alpha:
        return image.convert("RGB")
    coloured = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, coloured).convert("RGB")


def _wide_grey(image: Image.Image) -> Image.Image:
    """16-bit grey (and 32-bit, as some files store it) as 8-bit."""
    values = np.asarray(image, dtype=np.float64)
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    grey = np.clip(values / top * 255 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _to_bytes_array(array: "np.ndarray[Any, Any]", name: str) -> "np.ndarray[Any, Any]":
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise MediaError(f"{name} is not a picture; use rows x columns, and 3 or 4 channels last")
    if array.dtype == np.uint8:
        return np.ascontiguousarray(_without_alpha(array))
    if not np.issubdtype(array.dtype, np.floating):
        raise MediaError(f"{name} holds {array.dtype}; use uint8, or floats in 0..1")
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        raise MediaError(f"{name} holds values outside 0..1; scale them, or use uint8")
    return np.ascontiguousarray(_without_alpha((array * 255 + 0.5).astype(np.uint8)))


def _without_alpha(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    if array.ndim == 2 or array.shape[2] == 3:
        return array
    share = array[:, :, 3:].astype(np.float64) / 255
    return (array[:, :, :3] * share + 255 * (1 - share) + 0.5).astype(np.uint8)
