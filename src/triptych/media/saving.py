"""Write a picture to a file that a person named."""

from pathlib import Path

from PIL import Image

from triptych.errors import UsageError

_ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP"}


def check_ending(path: Path) -> None:
    """Refuse a name that does not say which kind of picture it is, before anything is drawn.

    Raises:
        UsageError: it ends in nothing that pictures can be written as.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"{path} does not say which kind of picture to write; "
            f"let it end in {', '.join(_ENDINGS)}"
        )


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture as the kind that the ending of its name says.

    Raises:
        UsageError: there is no such kind.
        OSError: the place cannot be written to.
    """
    check_ending(path)
    picture.save(path, _ENDINGS[path.suffix.lower()])
