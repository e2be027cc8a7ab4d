"""A picture as text, for engines that are reached over a network."""

import base64
import io

from PIL import Image

LARGEST_PNG = 4 * 2**20
"""Bytes up to which a picture is sent without any loss."""

_JPEG_QUALITY = 95


def as_data_uri(picture: Image.Image, largest_png: int = LARGEST_PNG) -> str:
    """The picture as `data:image/png;base64,...`, or as a JPEG of high quality where a PNG would
    have more than `largest_png` bytes."""
    kind, content = "png", _encoded(picture, "PNG")
    if len(content) > largest_png:
        kind, content = "jpeg", _encoded(picture, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
