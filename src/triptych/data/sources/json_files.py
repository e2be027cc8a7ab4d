"""JSON files read whole, and pictures found in folders, with errors that name the file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from triptych.data.sources.conversation import BadSample
from triptych.data.sources.fields import kind_of
from triptych.data.sources.lines import read_lines
from triptych.errors import DataError


def read_json(path: Path, purpose: str) -> object:
    """The value of a UTF-8 JSON file; `purpose` says what it should hold.

    Raises:
        DataError: the file is absent or is not JSON.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there; it should hold {purpose}")
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno} is not valid JSON at column {error.colno}; it should hold "
            f"{purpose}, so download or write it again"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not JSON in UTF-8; it should hold {purpose}") from error


def read_object(path: Path, purpose: str) -> Mapping[str, Any]:
    """The JSON object of a file.

    Raises:
        DataError: there is none.
    """
    value = read_json(path, purpose)
    if not isinstance(value, dict):
        raise DataError(f"{path} holds {kind_of(value)}, not an object; it should hold {purpose}")
    return cast(Mapping[str, Any], value)


def entries_of(value: Mapping[str, Any], key: str, path: Path) -> Iterator[tuple[str, object]]:
    """The entries of a list under a key, each with its place, `file: key[7]`.

    Raises:
        DataError: there is no list.
    """
    entries = value.get(key)
    if not isinstance(entries, list):
        raise DataError(f"{path} has no list {key!r}; is it the file that was published?")
    return _placed(cast(Sequence[object], entries), f"{path}: {key}")


def read_entries(path: Path, purpose: str) -> Iterator[tuple[str, object]]:
    """The entries of a JSON list, each with its place; of a `.jsonl` file, one a line as text.

    Raises:
        DataError: the file is absent, or holds no list.
    """
    if path.suffix == ".jsonl":
        return read_lines(path, purpose)
    value = read_json(path, purpose)
    if not isinstance(value, list):
        raise DataError(f"{path} holds {kind_of(value)}, not a list; it should hold {purpose}")
    return _placed(cast(Sequence[object], value), f"{path}: entry ")


def entry_fields(entry: object) -> Mapping[str, Any]:
    """The fields of an entry, none where it is no object."""
    return cast(Mapping[str, Any], entry) if isinstance(entry, dict) else {}


def _placed(entries: Sequence[object], name: str) -> Iterator[tuple[str, object]]:
    return ((f"{name}[{index}]", entry) for index, entry in enumerate(entries))


class PictureFolder:
    """A folder of pictures, each of its subfolders listed once and not asked for every picture."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            DataError: there is no such folder.
        """
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; name the folder that holds the pictures")
        self.folder = folder
        self._names: dict[Path, frozenset[str]] = {}

    def find(self, name: str, where: str) -> Path:
        """The path of a picture by its path within the folder; `where` is who names it."""
        path = self.folder / name
        if path.name not in self._listed(path.parent):
            raise BadSample(
                "picture file missing",
                f"{where} names {name}, but there is no file {path}",
                "put the picture there, or name the right folder of pictures",
            )
        return path

    def _listed(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            entries = folder.iterdir() if folder.is_dir() else ()
            self._names[folder] = frozenset(entry.name for entry in entries)
        return self._names[folder]
