"""How large a picture will be once it is open, read from its header: no pixel is decoded.

What `open_image` would refuse by its kind or its size is refused here too, so whole data sets can
be planned and checked in the time that it takes to open their files. Damage behind the header is
not noticed; only decoding shows it.
"""

import io
import os
import re
from typing import Any, cast

import numpy as np
from PIL import ExifTags, Image, ImageFile, PngImagePlugin, TiffImagePlugin

from triptych.errors import MediaError
from triptych.media.content import guess_format, guess_kind
from triptych.media.opening import (
    PLUGINS,
    Limits,
    broken,
    check_size,
    decode_data_uri,
    open_image,
    silence_metadata_warnings,
)
from triptych.media.reading import BinaryFile, open_file, shorten, too_many_bytes

_HEAD = 600
"""Bytes by which the kind of a file is told."""

_LYING = (5, 6, 7, 8)
"""EXIF orientations of pictures whose sides are exchanged before they are shown."""

_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
"""TIFF tags."""

_PNG_METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
"""Chunks of a PNG that may say which way up it is."""


def picture_size(source: object, *, limits: Limits | None = None) -> tuple[int, int]:
    """Height and width that `open_image` would give, of a path, bytes, picture, array or data URI.

    Raises:
        MediaError: it is missing, empty, not a picture, too large, too elongated, or its header is
            broken.
    """
    limits = limits or Limits()
    if isinstance(source, bytes | bytearray):
        return _of_content(bytes(source), "picture given as bytes", limits)
    if isinstance(source, str) and source[:5].lower() == "data:":
        return _of_content(decode_data_uri(source, limits), "data URI", limits)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not _is_address(source)):
        path = os.fspath(cast("str | os.PathLike[str]", source))
        with open_file(path, limits.max_bytes, "picture") as (file, num_bytes):
            return _of_file(file, num_bytes, shorten(path), limits)
    if isinstance(source, Image.Image | np.ndarray):
        picture = open_image(cast(object, source), limits=limits)  # already decoded
        return picture.height, picture.width
    open_image(source, limits=limits)  # which says why not
    raise MediaError(f"a picture cannot be measured from {type(source).__name__}")


def _is_address(text: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) is not None


def _of_content(content: bytes, name: str, limits: Limits) -> tuple[int, int]:
    if len(content) > limits.max_bytes:
        raise too_many_bytes(name, len(content), limits.max_bytes)
    return _of_file(io.BytesIO(content), len(content), name, limits)


def _of_file(file: BinaryFile, num_bytes: int, name: str, limits: Limits) -> tuple[int, int]:
    if num_bytes == 0:
        raise MediaError(f"{name} is empty (0 bytes); copy or download it again")
    head = file.read(_HEAD)
    file.seek(0)
    kind = guess_format(head)
    if kind not in limits.formats:
        raise MediaError(
            f"{name} is {guess_kind(head)}, not one of {', '.join(limits.formats)}; "
            "save the picture as one of these"
        )
    silence_metadata_warnings()
    try:
        image = PLUGINS[kind](file)
    except Exception as error:  # decoders raise anything on damaged input
        raise broken(name, kind) from error
    check_size(*image.size, name, limits)
    try:
        width, height = _upright_size(image, file)
    except Exception as error:
        raise broken(name, kind) from error
    check_size(width, height, name, limits)
    return height, width


def _upright_size(image: ImageFile.ImageFile, file: BinaryFile) -> tuple[int, int]:
    """Width and height once the picture is turned the right way up."""
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Some versions of Pillow have exchanged the sides already; the tags are what is stored.
        tags = cast(Any, image.tag_v2)
        width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
        orientation = tags.get(_ORIENTATION, 1)
    else:
        orientation = _orientation(image, file)
    return (height, width) if orientation in _LYING else (width, height)


def _orientation(image: ImageFile.ImageFile, file: BinaryFile) -> object:
    if isinstance(image, PngImagePlugin.PngImageFile) and _has_late_metadata(file):
        image.load()  # what stands behind the pixels is read with them
    try:
        # The method of PNGs would decode the pixels to look for more behind them.
        exif = Image.Image.getexif(image)
    except Exception:  # the EXIF block is free-form data; a damaged one says nothing
        return 1
    return exif.get(ExifTags.Base.Orientation, 1)


def _has_late_metadata(file: BinaryFile) -> bool:
    """Whether a PNG has metadata behind its first pixels; only the heads of chunks are read."""
    position, is_behind = 8, False
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return False
        kind = head[4:]
        is_behind = is_behind or kind == b"IDAT"
        if is_behind and kind in _PNG_METADATA:
            return True
        position += 12 + int.from_bytes(head[:4], "big")
