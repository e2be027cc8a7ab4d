"""A folder of pictures, each with a caption in a text file beside it, or all in one table.

    photos/7.jpg  photos/7.txt          the whole text is the caption
    metadata.jsonl                      {"file_name": "photos/7.jpg", "text": "A bowl of pears."}
    metadata.csv                        file_name,text

The table is that of Hugging Face's image folders, one picture a line; with it, text files are not
read. A picture that nobody describes and a text without a picture are listed in the ledger.

Image folders: https://huggingface.co/docs/datasets/image_dataset#imagefolder
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from triptych.data.sources.conversation import BadSample, Collected, Conversation, Reading
from triptych.data.sources.fields import field_of, filled_text, mapping
from triptych.data.sources.lines import read_lines
from triptych.data.sources.messages import parse_line
from triptych.data.sources.turns import captioned
from triptych.errors import DataError

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""How files of pictures end."""

TABLES = ("metadata.jsonl", "metadata.csv")
_COLUMNS = ("text", "caption")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionedFolder:
    """A folder of pictures with captions."""

    folder: str
    """Pictures in folders inside of it count as well."""

    column: str = ""
    """What captions are called in the table; empty for `text` or `caption`."""

    prompt: str = ""
    """What is asked for; nothing where empty."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The pictures by name, or in the order of the table; paths are relative to `root`.

        Raises:
            DataError: there is no such folder, or too many of its samples cannot be used.
        """
        folder = root / self.folder
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder; name the folder that holds the pictures")
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
        collected = Collected(folder, self.tolerate)
        table = next((folder / name for name in TABLES if name in files), None)
        if table is None:
            self._read_beside(files, collected)
        else:
            self._read_table(table, files, collected)
        return collected.finish()

    def _read_beside(self, files: Mapping[str, Path], collected: Collected) -> None:
        stems = {name.rpartition(".")[0] for name in files if _is_picture(name)}
        for name, path in files.items():
            if _is_picture(name):
                collected.add(name, partial(self._beside, name, path))
            elif path.suffix == ".txt" and name.removesuffix(".txt") not in stems:
                error = BadSample("picture file missing", f"no picture is beside {name}", "add it")
                collected.leave_out(name, error)

    def _beside(self, name: str, path: Path) -> Conversation:
        beside = path.with_suffix(".txt")
        try:
            caption = beside.read_bytes().decode("utf-8-sig")
        except FileNotFoundError as error:
            raise BadSample(
                "no captions", f"no file {beside.name} is beside {name}", "write a caption there"
            ) from error
        except (UnicodeDecodeError, OSError) as error:
            raise BadSample(
                "text that cannot be read", f"{beside.name} is not text in UTF-8", "save it so"
            ) from error
        return captioned(name, path, [caption], prompt=self.prompt)

    def _read_table(self, table: Path, files: Mapping[str, Path], collected: Collected) -> None:
        unseen = {name for name in files if _is_picture(name)}
        for place, row in _rows(table):
            collected.add(place, partial(self._described, row, files, unseen))
        for name in sorted(unseen):
            error = BadSample("no captions", f"{table.name} does not name {name}", "add it")
            collected.leave_out(name, error)

    def _described(self, line: object, files: Mapping[str, Path], unseen: set[str]) -> Conversation:
        value = parse_line(line) if isinstance(line, str) else line
        row = mapping(value, "the line", '{"file_name": ..., "text": ...}')
        name = filled_text(field_of(row, "file_name", "the line"), "file_name")
        unseen.discard(name)
        caption = filled_text(field_of(row, self._caption_column(row), "the line"), "the caption")
        if name not in files:
            raise BadSample("picture file missing", f"{name} is not in the folder", "put it there")
        return captioned(name, files[name], [caption], prompt=self.prompt)

    def _caption_column(self, row: Mapping[str, Any]) -> str:
        return self.column or next((name for name in _COLUMNS if name in row), _COLUMNS[0])


def _is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURES)


def _rows(table: Path) -> Iterator[tuple[str, object]]:
    if table.suffix == ".jsonl":
        yield from read_lines(table, "one JSON object a line")
        return
    rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline=""))
    for index, row in enumerate(rows, start=1):
        yield f"{table}: row {index}", row
