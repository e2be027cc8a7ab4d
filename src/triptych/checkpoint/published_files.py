"""Files of settings in a published folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from triptych.checkpoint.files import read_json
from triptych.errors import CheckpointError
from triptych.published.family import PREPROCESSOR, PROCESSOR


def read_settings(path: Path) -> Mapping[str, Any]:
    """A file of settings.

    Raises:
        CheckpointError: it is missing or torn, or holds none.
    """
    plain = read_json(path)
    if not isinstance(plain, dict):
        raise CheckpointError(f"{path} holds no settings; is {path.parent} a model?")
    return cast(dict[str, Any], plain)


def read_optional(path: Path) -> Mapping[str, Any]:
    """The same, empty where there is no such file."""
    return read_settings(path) if path.is_file() else {}


def read_preprocessor(folder: Path) -> Mapping[str, Any]:
    """The picture settings, which transformers 5 writes inside another file."""
    if not (folder / PREPROCESSOR).is_file() and (folder / PROCESSOR).is_file():
        inner = read_settings(folder / PROCESSOR).get("image_processor")
        return cast(dict[str, Any], inner) if isinstance(inner, dict) else {}
    return read_settings(folder / PREPROCESSOR)
