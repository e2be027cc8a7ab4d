"""Any colour mode a picture file can have, as plain RGB the right way up."""

import io
from typing import Any, cast

import numpy as np
from PIL import ExifTags, Image, ImageCms

from triptych.errors import MediaError

Transpose = Image.Transpose
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation -> what turns the stored pixels the right way up (1 is already right)."""

_BACKGROUND = (255, 255, 255)
"""What shows through transparent pixels."""

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF orientation says; unreadable EXIF data turns nothing."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the EXIF block is free-form data; a damaged one says nothing
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    if turn is None:
        return image
    return image.transpose(turn)


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """A fresh RGB picture of the same size, without metadata; transparency shows white.

    Raises:
        MediaError: the picture (called `name`) has values with no agreed meaning as colours.
    """
    if image.mode in _SIXTEEN_BIT or image.mode == "F":
        rgb = _from_deep_grey(image, name)
    elif image.has_transparency_data or image.mode in ("La", "RGBa"):
        rgb = _on_background(image)
    else:
        rgb = _to_srgb(image)
    rgb.info = {}  # an orientation left here would be applied a second time
    return rgb


def _from_deep_grey(image: Image.Image, name: str) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    highest = 1 if image.mode == "F" else 65535
    if not (values.min() >= 0 and values.max() <= highest):  # also false for NaN
        raise MediaError(
            f"{name} has grey values from {values.min():g} to {values.max():g}, and which of them "
            f"is white is unknown; scale them to 0..{highest}"
        )
    grey = (values / highest * 255 + 0.5).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = _BACKGROUND[0]
    return Image.fromarray(grey).convert("RGB")


def _on_background(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    picture = Image.new("RGB", rgba.size, _BACKGROUND)
    opaque = rgba.convert("RGB")
    opaque.info = {"icc_profile": image.info.get("icc_profile")}
    picture.paste(_to_srgb(opaque), mask=alpha)
    return picture


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert from the embedded colour profile, or without one as the mode itself says."""
    if image.mode in ("P", "PA"):
        profile = image.info.get("icc_profile")
        image = image.convert("RGB")
        image.info["icc_profile"] = profile
    if converted := _from_profile(image):
        return converted
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _from_profile(image: Image.Image) -> Image.Image | None:
    """The picture in sRGB, or None where its profile is absent, damaged, or sRGB already."""
    embedded = image.info.get("icc_profile")
    if not isinstance(embedded, bytes) or image.mode not in ("RGB", "L", "CMYK", "LAB"):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        if "srgb" in ImageCms.getProfileDescription(profile).lower():
            return None
        converted = ImageCms.profileToProfile(
            image, profile, cast(Any, ImageCms).createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
        return None  # a profile that does not fit its pixels says nothing about them
    return converted
