"""Read a file whole, checked before a byte of it is: what it is, and how large."""

import io
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from triptych.errors import MediaError

BinaryFile: TypeAlias = io.BufferedReader | io.BytesIO
"""A file open for reading, on disk or in memory."""

_LONGEST_NAME = 100
"""Characters of a path that a message shows."""


def read_file(path: str, max_bytes: int, kind: str) -> bytes:
    """The content of one regular file; `kind` names what it should be: a picture, a clip.

    Raises:
        MediaError: it is missing, a folder, no regular file, too large, or cannot be read.
    """
    with open_file(path, max_bytes, kind) as (file, num_bytes):
        return file.read(num_bytes)


@contextmanager
def open_file(path: str, max_bytes: int, kind: str) -> Generator[tuple[BinaryFile, int]]:
    """One regular file, open for reading, and its size in bytes.

    Raises:
        MediaError: as `read_file`; also for what goes wrong while it is open.
    """
    name = shorten(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise MediaError(f"{name} is a folder; give the path of one {kind}")
        if not stat.S_ISREG(mode):  # a pipe or a device might never end
            raise MediaError(f"{name} is not a regular file; copy the {kind} into one")
        with Path(path).open("rb") as file:
            num_bytes = os.fstat(file.fileno()).st_size
            if num_bytes > max_bytes:
                raise too_many_bytes(name, num_bytes, max_bytes)
            yield file, num_bytes
    except FileNotFoundError as error:
        raise MediaError(f"there is no file {name}; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid path"
        raise MediaError(f"{name} cannot be read ({reason}); check the path") from error


def too_many_bytes(name: str, num_bytes: int, max_bytes: int) -> MediaError:
    """The refusal of what is too large."""
    return MediaError(
        f"{name} has {num_bytes:,} bytes, more than the {max_bytes:,} allowed; "
        "make it smaller or raise max_bytes"
    )


def shorten(path: str) -> str:
    """A path as messages show it: on one line, its middle left out when it is long."""
    clean = "".join(character if character.isprintable() else "?" for character in path)
    return clean if len(clean) <= _LONGEST_NAME else f"{clean[: _LONGEST_NAME - 20]}…{clean[-20:]}"
