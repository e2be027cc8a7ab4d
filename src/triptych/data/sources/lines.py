"""Text files read line by line, with the place of every line."""

from collections.abc import Iterator
from pathlib import Path

from triptych.errors import DataError


def read_lines(path: Path, purpose: str) -> Iterator[tuple[str, str]]:
    """The lines of a UTF-8 file that are not blank, each with its place, `file:line`.

    Raises:
        DataError: the file is absent, is a folder, or a line is not UTF-8.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there; it should hold {purpose}")
    for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        place = f"{path}:{number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{place} is not UTF-8 (byte {raw[error.start]:#04x} in column "
                f"{error.start + 1}); save the file as UTF-8"
            ) from error
        if line.strip():
            yield place, line
