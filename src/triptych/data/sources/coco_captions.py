"""COCO Captions: `captions_train2017.json` and a folder of pictures, five captions each.

    {"images": [{"id": 391895, "file_name": "000000391895.jpg", "height": 360, "width": 640, ...}],
     "annotations": [{"id": 770337, "image_id": 391895, "caption": "A man with a red helmet ..."}]}

Format: https://cocodataset.org/#format-data
Chen et al., "Microsoft COCO Captions": https://arxiv.org/abs/1504.00325
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from triptych.data.sources.conversation import BadSample, Collected, Conversation, Reading
from triptych.data.sources.fields import field_of, filled_text, mapping, name_of
from triptych.data.sources.json_files import PictureFolder, entries_of, read_object
from triptych.data.sources.turns import captioned


@dataclass(frozen=True, kw_only=True, slots=True)
class CocoCaptions:
    """Pictures with captions in COCO's layout; all captions of a picture share one sequence."""

    path: str
    """The JSON file, `captions_*.json`."""

    images: str
    """Folder of the pictures."""

    prompt: str = ""
    """What is asked for; nothing where empty."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The pictures in the order of the file; paths are relative to `root`.

        Raises:
            DataError: the file cannot be read, or too many of its samples cannot be used.
        """
        path, folder = root / self.path, PictureFolder(root / self.images)
        published = read_object(path, "COCO's captions")
        collected = Collected(path, self.tolerate)
        captions = _captions(published, path, collected)
        for place, entry in entries_of(published, "images", path):
            collected.add(place, partial(_read_entry, entry, captions, folder, self.prompt))
        return collected.finish()


def _captions(
    published: Mapping[str, object], path: Path, collected: Collected
) -> Mapping[str, list[str]]:
    """Captions by the id of their picture; empty ones go to the ledger."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for place, entry in entries_of(published, "annotations", path):
        try:
            annotation = mapping(entry, "it", '{"image_id": ..., "caption": ...}')
            picture_id = name_of(field_of(annotation, "image_id", "it"), "image_id")
            caption = filled_text(field_of(annotation, "caption", "it"), "caption")
        except BadSample as error:
            collected.leave_out(place, error)
            continue
        found[picture_id].append(caption)
    return found


def _read_entry(
    entry: object, captions: Mapping[str, Sequence[str]], folder: PictureFolder, prompt: str
) -> Conversation:
    picture = mapping(entry, "it", '{"id": ..., "file_name": ...}')
    picture_id = name_of(field_of(picture, "id", "it"), "id")
    name = filled_text(field_of(picture, "file_name", "it"), "file_name")
    if picture_id not in captions:
        raise BadSample("no captions", f"picture {picture_id} has no captions", "add some")
    return captioned(
        picture_id,
        folder.find(name, f"picture {picture_id}"),
        captions[picture_id],
        prompt=prompt,
        extra={"file_name": name},
    )
