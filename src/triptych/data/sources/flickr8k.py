"""Flickr8k: 8,000 photographs of people and animals, five captions each, in official splits.

The folder as it is given out:

    Flickr8k.token.txt              name.jpg#0 <tab> caption, five lines a picture
    Flickr_8k.trainImages.txt       one picture name a line; likewise dev and test
    images/  (or Flicker8k_Dataset/, Flickr8k_Dataset/)

The caption file is known to name one picture `2258277193_586949ec62.jpg.1`; that line and every
picture that is absent or in no split are left out and listed in the ledger.

Hodosh, Young, Hockenmaier, "Framing Image Description as a Ranking Task", JAIR 47, 2013:
https://doi.org/10.1613/jair.3994
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triptych.data.ledger import Ledger
from triptych.data.sources.conversation import Reading
from triptych.data.sources.lines import read_lines
from triptych.data.sources.turns import captioned
from triptych.errors import DataError

SPLITS = ("train", "dev", "test")
CAPTIONS = "Flickr8k.token.txt"
IMAGE_FOLDERS = ("images", "Flicker8k_Dataset", "Flickr8k_Dataset")

CAPTION_LINE = re.compile(r"(?P<name>[^#\t]+)#(?P<index>\d+)\t\s*(?P<caption>\S.*)")


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One picture file and what people said about it."""

    image_id: str
    """File name of the picture."""
    path: Path
    captions: tuple[str, ...]
    """In the order of the file, as written there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flickr8k:
    """One official split of Flickr8k; all captions of a picture share one sequence."""

    folder: str
    """The folder as it is given out."""

    split: Literal["train", "dev", "test"] = "train"
    """Which pictures are read."""

    prompt: str = ""
    """What is asked for; nothing where empty."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The pictures in the order of the split; paths are relative to `root`.

        Raises:
            DataError: see `read_flickr8k`.
        """
        splits, whole = read_flickr8k(root / self.folder, tolerate=self.tolerate)
        conversations = [
            captioned(item.image_id, item.path, item.captions, prompt=self.prompt)
            for item in splits[self.split]
        ]
        ledger = Ledger(f"{whole.source} ({self.split})", num_kept=len(conversations))
        for each in whole.left_out:
            is_of_split = f"of the {self.split} split" in each.detail
            (ledger.left_out if is_of_split else ledger.filtered).append(each)
        return conversations, ledger


def read_flickr8k(
    folder: Path, *, tolerate: float = 0.01
) -> tuple[dict[str, list[CaptionedImage]], Ledger]:
    """The pictures of the splits `train`, `dev` and `test`, each in the order of its file.

    `tolerate` is the share of the pictures named by the splits that may be absent.

    Raises:
        DataError: a file is missing or a line cannot be read (the message names file, line and
            cure), a picture is in two splits, or too many pictures are absent.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; name the folder that holds {CAPTIONS}")
    ledger = Ledger(str(folder))
    captions = _read_captions(folder / CAPTIONS, ledger)
    names = _read_splits(folder)
    images = _image_folder(folder)
    present = {path.name for path in images.iterdir()}
    missing = Ledger(f"pictures of the splits in {images}")
    splits = {
        split: [
            CaptionedImage(name, images / name, captions[name])
            for name in names[split]
            if _is_usable(name, split, captions, present, missing)
        ]
        for split in SPLITS
    }
    missing.stop_above(tolerate)
    ledger.keep(missing.num_kept)
    ledger.left_out += missing.left_out
    _list_unused(captions, names, ledger)
    return splits, ledger


def _read_captions(path: Path, ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """Captions by picture name; lines of names that no picture can have go to the ledger."""
    found: dict[str, dict[int, str]] = {}
    for place, line in read_lines(path, "the captions, lines `name.jpg#0<tab>caption`"):
        match = CAPTION_LINE.fullmatch(line)
        if match is None:
            raise DataError(
                f"{place} reads {line[:80]!r}, which is not `name.jpg#0<tab>caption`; "
                "mend the line or remove it"
            )
        name, index = match["name"], int(match["index"])
        if not name.endswith(".jpg"):
            ledger.leave_out(f"{name}#{index}", "malformed picture name", f"{place} names {name}")
            continue
        if index in found.setdefault(name, {}):
            raise DataError(f"{place} gives caption {index} of {name} again; remove one of the two")
        found[name][index] = match["caption"].rstrip()
    return {name: tuple(by_index[i] for i in sorted(by_index)) for name, by_index in found.items()}


def _read_splits(folder: Path) -> dict[str, list[str]]:
    """Picture names of every split; no picture may be named twice."""
    seen: dict[str, str] = {}
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for split in SPLITS:
        path = folder / f"Flickr_8k.{split}Images.txt"
        for place, line in read_lines(path, f"the picture names of the {split} split"):
            name = line.strip()
            if name in seen:
                raise DataError(
                    f"{place} names {name}, which {seen[name]} already names; remove one, "
                    "or the splits are not separate"
                )
            seen[name] = place
            splits[split].append(name)
    return splits


def _image_folder(folder: Path) -> Path:
    for name in IMAGE_FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    raise DataError(
        f"{folder} holds no folder of pictures; unpack them into {folder / IMAGE_FOLDERS[0]}"
    )


def _is_usable(
    name: str,
    split: str,
    captions: dict[str, tuple[str, ...]],
    present: set[str],
    ledger: Ledger,
) -> bool:
    if name not in present:
        ledger.leave_out(name, "picture file missing", f"{name} of the {split} split has no file")
    elif name not in captions:
        ledger.leave_out(name, "no captions", f"{name} of the {split} split has no captions")
    else:
        ledger.keep()
        return True
    return False


def _list_unused(
    captions: dict[str, tuple[str, ...]], names: dict[str, list[str]], ledger: Ledger
) -> None:
    used = {name for split in names.values() for name in split}
    for name in captions:
        if name not in used:
            ledger.leave_out(name, "in no official split")
