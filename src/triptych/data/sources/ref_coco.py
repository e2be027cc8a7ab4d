"""RefCOCO, RefCOCO+ and RefCOCOg: phrases that mean one object each, with its box.

    refs(unc).json
        [{"ref_id": 0, "ann_id": 1719310, "image_id": 581857, "split": "train",
          "file_name": "COCO_train2014_000000581857_16.jpg", "category_id": 1,
          "sentences": [{"sent_id": 0, "sent": "the lady with the blue shirt", ...}]}]
    instances.json
        {"images": [{"id": 581857, "file_name": "COCO_train2014_000000581857.jpg", ...}],
         "annotations": [{"id": 1719310, "image_id": 581857, "category_id": 1,
                          "bbox": [103.93, 299.99, 134.22, 177.42], ...}]}

`bbox` is x, y, width, height in pixels of the picture. The phrases are published as a Python
pickle, which can run any code when it is read and so is never read here; the error says how to
convert it.

Data: https://github.com/lichengunc/refer
Yu et al., "Modeling Context in Referring Expressions": https://arxiv.org/abs/1608.00272
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from triptych.data.sources.conversation import BadSample, Reading
from triptych.data.sources.fields import (
    field_of,
    filled_list,
    filled_text,
    mapping,
    name_of,
    numbers,
)
from triptych.data.sources.json_files import (
    PictureFolder,
    entries_of,
    entry_fields,
    read_entries,
    read_object,
)
from triptych.data.sources.turns import (
    TOGETHER,
    Asked,
    Content,
    Entries,
    collect_questions,
)
from triptych.errors import ConfigError, DataError

_PICKLES = (".p", ".pkl", ".pickle")

_DEFAULT_PROMPTS = {
    "locate": "Locate {phrase}.",
    "describe": "Which object is this? {box}",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RefCoco:
    """Phrases and boxes in the layout of RefCOCO; box the object, or say what is in the box."""

    refs: str
    """The JSON file of the phrases."""

    instances: str
    """The JSON file of the boxes, `instances.json`."""

    images: str
    """Folder of the pictures."""

    split: str = "train"
    """Which phrases are read: train, val, test, testA, testB."""

    task: Literal["locate", "describe"] = "locate"
    """Answer a phrase with a box, or a box with a phrase."""

    prompt: str = ""
    """The question, with `{phrase}` or `{box}` in it; empty for a plain one."""

    together: int = TOGETHER
    """Phrases about one picture that share a sequence at most; 1 for one each."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def __post_init__(self) -> None:
        given = "{phrase}" if self.task == "locate" else "{box}"
        if self.prompt and self.prompt.count(given) != 1:
            raise ConfigError(f"the prompt must have {given} in it once, got {self.prompt!r}")

    def read(self, root: Path = Path()) -> Reading:
        """The phrases, those about one picture together; paths are relative to `root`.

        Raises:
            DataError: a file cannot be read or is a pickle, or too many samples cannot be used.
        """
        path = root / self.refs
        if path.suffix in _PICKLES:
            raise _refuse_pickle(path)
        return collect_questions(
            path,
            self._entries(root, path),
            instruction="",
            together=self.together,
            tolerate=self.tolerate,
        )

    def _entries(self, root: Path, path: Path) -> Entries:
        folder = PictureFolder(root / self.images)
        instances_path = root / self.instances
        instances = read_object(instances_path, "the instances of COCO")
        annotations = _by_id(instances, "annotations", instances_path)
        pictures = _by_id(instances, "images", instances_path)
        for place, entry in read_entries(path, "the phrases of RefCOCO as a list"):
            if _is_of_another_split(entry, self.split):
                continue
            for index in range(_num_sentences(entry)):
                yield (
                    f"{place} sentence {index}",
                    partial(self._read_entry, entry, index, annotations, pictures, folder),
                )

    def _read_entry(
        self,
        entry: object,
        index: int,
        annotations: Mapping[str, Mapping[str, Any]],
        pictures: Mapping[str, Mapping[str, Any]],
        folder: PictureFolder,
    ) -> Asked:
        ref = mapping(entry, "it", '{"ann_id": ..., "image_id": ..., "sentences": [...]}')
        sentences = filled_list(field_of(ref, "sentences", "it"), "sentences")
        sentence = mapping(sentences[index], "the sentence", '{"sent": ...}')
        phrase = filled_text(field_of(sentence, "sent", "the sentence"), "sent")
        ann_id = name_of(field_of(ref, "ann_id", "it"), "ann_id")
        image_id = name_of(field_of(ref, "image_id", "it"), "image_id")
        if ann_id not in annotations or image_id not in pictures:
            raise BadSample(
                "no annotation",
                f"instances.json has no annotation {ann_id} or no picture {image_id}",
                "use matching files",
            )
        name = filled_text(pictures[image_id].get("file_name"), "file_name")
        box = _box(annotations[ann_id], f"annotation {ann_id}")
        question, answer = self._exchange(phrase, box)
        return Asked(
            question_id=str(sentence.get("sent_id", f"{ref.get('ref_id')}.{index}")),
            picture_id=image_id,
            picture=folder.find(name, f"picture {image_id}"),
            question=question,
            answer=answer,
            extra={"ref_id": ref.get("ref_id"), "phrase": phrase, "box": box},
        )

    def _exchange(self, phrase: str, box: list[float]) -> tuple[Content, Content]:
        """Question and answer."""
        prompt = self.prompt or _DEFAULT_PROMPTS[self.task]
        if self.task == "locate":
            located = {"type": "box", "box": box, "label": phrase}
            return prompt.replace("{phrase}", phrase), [located]
        before, _, after = prompt.partition("{box}")
        texts = {"type": "text", "text": before}, {"type": "text", "text": after}
        parts = [texts[0], {"type": "box", "box": box}, texts[1]]
        return [part for part in parts if part.get("text") != ""], phrase


def _refuse_pickle(path: Path) -> DataError:
    converted = path.with_suffix(".json").name
    return DataError(
        f"{path} is a pickle, which may run any code when it is read; if you trust it, convert it "
        f"once with: python -c \"import json, pickle; json.dump(pickle.load(open('{path.name}', "
        f"'rb')), open('{converted}', 'w'))\" and name {converted} instead"
    )


def _by_id(published: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Mapping[str, Any]]:
    return dict(_identified(published, key, path))


def _identified(
    published: Mapping[str, Any], key: str, path: Path
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, entry in entries_of(published, key, path):
        named = entry_fields(entry)
        if "id" in named:
            yield str(named["id"]), named


def _num_sentences(entry: object) -> int:
    """Phrases of an entry; 1 for one that is malformed, so that reading it says how."""
    sentences: object = entry_fields(entry).get("sentences")
    return max(1, len(cast(list[object], sentences))) if isinstance(sentences, list) else 1


def _is_of_another_split(entry: object, split: str) -> bool:
    fields = entry_fields(entry)
    return bool(fields) and fields.get("split") != split


def _box(annotation: Mapping[str, Any], where: str) -> list[float]:
    """Left, top, right, bottom."""
    left, top, width, height = numbers(annotation.get("bbox"), 4, f"bbox of {where}")
    if width <= 0 or height <= 0:
        raise BadSample("empty box", f"bbox of {where} has no area", "remove the phrase")
    return [left, top, round(left + width, 4), round(top + height, 4)]
