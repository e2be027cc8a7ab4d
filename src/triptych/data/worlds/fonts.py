"""Fonts that are there wherever the package is: those that matplotlib brings along."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

from triptych.errors import DataError

FONTS = {
    "sans": "DejaVuSans.ttf",
    "sans-bold": "DejaVuSans-Bold.ttf",
    "sans-oblique": "DejaVuSans-Oblique.ttf",
    "serif": "DejaVuSerif.ttf",
    "serif-bold": "DejaVuSerif-Bold.ttf",
    "serif-italic": "DejaVuSerif-Italic.ttf",
    "mono": "DejaVuSansMono.ttf",
    "mono-bold": "DejaVuSansMono-Bold.ttf",
    "times": "STIXGeneral.ttf",
    "times-bold": "STIXGeneralBol.ttf",
    "roman": "cmr10.ttf",
    "grotesque": "cmss10.ttf",
}
"""Names that worlds choose from, and their files."""


@lru_cache(maxsize=512)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of that name, `size` pixels high from the ascender to the descender.

    Raises:
        DataError: the file is missing.
    """
    path = _folder() / FONTS[name]
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as error:
        raise DataError(f"the font {path} is missing; install matplotlib again") from error


@lru_cache(maxsize=1)
def _folder() -> Path:
    # Found without importing matplotlib, which is slow.
    spec = find_spec("matplotlib")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("matplotlib, whose fonts the worlds are written in, is not installed")
    return Path(spec.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
