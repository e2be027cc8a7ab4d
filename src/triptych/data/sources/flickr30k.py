"""Flickr30k: 31,783 photographs, five captions each, in any of the forms it goes round in.

    results_20130124.token       1000092795.jpg#0 <tab> Two young guys with shaggy hair ...
    results.csv                  image_name| comment_number| comment
                                 1000092795.jpg| 0| Two young guys with shaggy hair ...
    dataset_flickr30k.json       {"images": [{"filename": "1000092795.jpg", "split": "train",
                                              "sentences": [{"raw": "Two young guys ..."}, ...]}]}
    flickr_annotations_30k.csv   raw,sentids,split,filename,img_id
                                 "[""Two young guys ...""]","[0, 1, 2, 3, 4]",train,1000092795.jpg,0

The latter two name Karpathy's splits, also for Flickr8k and COCO. In `results.csv` one line lacks a
bar; it is listed in the ledger.

Young et al., "From image descriptions to visual denotations": https://doi.org/10.1162/tacl_a_00166
Karpathy's splits: https://cs.stanford.edu/people/karpathy/deepimagesent/
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from triptych.data.sources.conversation import BadSample, Collected, Conversation, Reading
from triptych.data.sources.fields import field_of, filled_list, filled_text, mapping
from triptych.data.sources.flickr8k import CAPTION_LINE
from triptych.data.sources.json_files import PictureFolder, entries_of, read_object
from triptych.data.sources.lines import read_lines
from triptych.data.sources.turns import captioned
from triptych.errors import DataError

_PURPOSE = "the captions of Flickr30k"


class _Described(NamedTuple):
    """Captions of one picture, as one line or entry of a file gives them."""

    name: str
    split: str
    """Empty where the file names none."""
    captions: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flickr30k:
    """Pictures with captions in the layouts of Flickr30k; all captions share one sequence."""

    path: str
    """The file of the captions: `.token`, `.csv` or `.json`."""

    images: str
    """Folder of the pictures."""

    split: str = ""
    """Which of the splits of the file; empty for all pictures."""

    prompt: str = ""
    """What is asked for; nothing where empty."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The pictures in the order of the file; paths are relative to `root`.

        Raises:
            DataError: the file cannot be read, names no such split, or too many of its samples
                cannot be used.
        """
        path, folder = root / self.path, PictureFolder(root / self.images)
        collected = Collected(path, self.tolerate)
        found: defaultdict[str, list[str]] = defaultdict(list)
        splits: set[str] = set()
        for place, described in _read_file(path, collected):
            del place
            splits.add(described.split)
            if self.split in ("", described.split):
                found[described.name] += described.captions
        if self.split and self.split not in splits:
            known = ", ".join(sorted(splits - {""})) or "none"
            raise DataError(f"{path} names no split {self.split!r}; it names: {known}")
        for name, captions in found.items():
            collected.add(
                f"{path}: {name}", partial(_captioned, name, folder, captions, self.prompt)
            )
        return collected.finish()


def _captioned(
    name: str, folder: PictureFolder, captions: Sequence[str], prompt: str
) -> Conversation:
    return captioned(name, folder.find(name, "the captions"), captions, prompt=prompt)


def _read_file(path: Path, collected: Collected) -> Iterator[tuple[str, _Described]]:
    """What a file says of pictures; what it says malformed goes to the ledger."""
    read = _from_entry
    if path.suffix == ".json":
        entries = entries_of(read_object(path, _PURPOSE), "images", path)
    else:
        lines = list(read_lines(path, _PURPOSE))
        head = lines[0][1] if lines else ""
        if head.startswith("raw,"):
            entries, read = _table(path), _from_row
        elif head.startswith("image_name|"):
            entries, read = iter(lines[1:]), _from_bars
        else:
            entries, read = iter(lines), _from_line
    for place, entry in entries:
        try:
            yield place, read(entry)
        except BadSample as error:
            collected.leave_out(place, error)


def _from_line(line: object) -> _Described:
    match = CAPTION_LINE.fullmatch(str(line))
    if match is None:
        raise _malformed(line, "name.jpg#0<tab>caption")
    return _Described(match["name"], "", [match["caption"]])


def _from_bars(line: object) -> _Described:
    fields = [field.strip() for field in str(line).split("|", 2)]
    if len(fields) < 3 or not all(fields):
        raise _malformed(line, "name.jpg| 0| caption")
    return _Described(fields[0], "", [fields[2]])


def _table(path: Path) -> Iterator[tuple[str, object]]:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    return ((f"{path}: row {index}", row) for index, row in enumerate(rows, start=1))


def _from_row(row: object) -> _Described:
    cells = mapping(row, "the row", "raw,sentids,split,filename,img_id")
    try:
        captions: object = json.loads(str(cells.get("raw")))
    except json.JSONDecodeError as error:
        raise _malformed(cells.get("raw"), '["caption", ...]') from error
    texts = [filled_text(each, "a caption") for each in filled_list(captions, "raw")]
    name = filled_text(field_of(cells, "filename", "the row"), "filename")
    return _Described(name, str(cells.get("split") or ""), texts)


def _from_entry(entry: object) -> _Described:
    picture = mapping(entry, "it", '{"filename": ..., "sentences": [...]}')
    sentences = filled_list(field_of(picture, "sentences", "it"), "sentences")
    captions = [
        filled_text(field_of(mapping(each, "a sentence", '{"raw": ...}'), "raw", "it"), "raw")
        for each in sentences
    ]
    name = filled_text(field_of(picture, "filename", "it"), "filename")
    # COCO's pictures are in a folder a subset.
    folder = picture.get("filepath")
    return _Described(
        f"{folder}/{name}" if isinstance(folder, str) and folder else name,
        str(picture.get("split", "")),
        captions,
    )


def _malformed(line: object, form: str) -> BadSample:
    return BadSample(
        "malformed line", f"it reads {str(line)[:80]!r}, which is not `{form}`", "mend or remove it"
    )
