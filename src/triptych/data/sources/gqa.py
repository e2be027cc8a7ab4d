"""GQA: questions about scene graphs, in JSON objects keyed by question id.

    train_balanced_questions.json
        {"02930152": {"imageId": "2354786", "question": "Is the sky dark?", "answer": "yes",
                      "fullAnswer": "Yes, the sky is dark.", "isBalanced": true,
                      "types": {"structural": "verify", "semantic": "attr", ...}, ...}}
    images/2354786.jpg

Format: https://cs.stanford.edu/people/dorarad/gqa/download.html
Hudson, Manning, "GQA": https://arxiv.org/abs/1902.09506
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from triptych.data.sources.conversation import Reading
from triptych.data.sources.fields import field_of, filled_text, mapping, name_of
from triptych.data.sources.json_files import PictureFolder, read_object
from triptych.data.sources.turns import (
    SHORT_ANSWER,
    TOGETHER,
    Asked,
    Entries,
    collect_questions,
)

_ANSWERS = {"short": "answer", "full": "fullAnswer"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Gqa:
    """Questions in the layout of GQA."""

    path: str
    """The JSON file of the questions."""

    images: str
    """Folder of the pictures."""

    answer: Literal["short", "full"] = "short"
    """A word or two, or a whole sentence; leave out the instruction for the latter."""

    instruction: str = SHORT_ANSWER
    """Said behind every question, on a line of its own."""

    together: int = TOGETHER
    """Questions about one picture that share a sequence at most; 1 for one each."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The questions, those about one picture together; paths are relative to `root`.

        Raises:
            DataError: the file cannot be read, or too many of its samples cannot be used.
        """
        return collect_questions(
            root / self.path,
            self._entries(root),
            instruction=self.instruction,
            together=self.together,
            tolerate=self.tolerate,
        )

    def _entries(self, root: Path) -> Entries:
        folder = PictureFolder(root / self.images)
        for question_id, entry in read_object(root / self.path, "the questions of GQA").items():
            place = f"{root / self.path}: question {question_id}"
            yield place, partial(self._read_entry, question_id, entry, folder)

    def _read_entry(self, question_id: str, entry: object, folder: PictureFolder) -> Asked:
        question = mapping(entry, "it", '{"imageId": ..., "question": ..., "answer": ...}')
        image_id = name_of(field_of(question, "imageId", "it"), "imageId")
        key = _ANSWERS[self.answer]
        return Asked(
            question_id=question_id,
            picture_id=image_id,
            picture=folder.find(f"{image_id}.jpg", f"question {question_id}"),
            question=filled_text(field_of(question, "question", "it"), "question"),
            answer=filled_text(field_of(question, key, "it"), key),
            extra={key: question[key] for key in ("types", "fullAnswer") if key in question},
        )
