"""TextVQA: questions about words in photographs, ten answers each.

    TextVQA_0.5.1_train.json
        {"dataset_type": "train", "data": [
            {"question_id": 0, "image_id": "0054c91397f2fe05", "image_width": 1024, ...,
             "question": "what is the brand of phone?", "answers": ["nokia", "nokia", ...]}]}
    train_images/0054c91397f2fe05.jpg

The label is the most frequent answer; `extra` keeps the soft scores, as in `vqa_v2`.

Format: https://textvqa.org/dataset/
Singh et al., "Towards VQA Models That Can Read": https://arxiv.org/abs/1904.08920
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from triptych.data.sources.conversation import Reading
from triptych.data.sources.fields import field_of, filled_list, filled_text, mapping, name_of
from triptych.data.sources.json_files import PictureFolder, entries_of, read_object
from triptych.data.sources.turns import (
    SHORT_ANSWER,
    TOGETHER,
    Asked,
    Entries,
    collect_questions,
)
from triptych.data.sources.vqa_v2 import most_frequent, plain_answer, soft_scores


@dataclass(frozen=True, kw_only=True, slots=True)
class TextVqa:
    """Questions in the layout of TextVQA."""

    path: str
    """The JSON file."""

    images: str
    """Folder of the pictures."""

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
            self._entries(root / self.path, PictureFolder(root / self.images)),
            instruction=self.instruction,
            together=self.together,
            tolerate=self.tolerate,
        )

    def _entries(self, path: Path, folder: PictureFolder) -> Entries:
        published = read_object(path, "the questions of TextVQA")
        for place, entry in entries_of(published, "data", path):
            yield place, partial(_read_entry, entry, folder)


def _read_entry(entry: object, folder: PictureFolder) -> Asked:
    question = mapping(entry, "it", '{"question_id": ..., "question": ..., "answers": [...]}')
    question_id = name_of(field_of(question, "question_id", "it"), "question_id")
    image_id = name_of(field_of(question, "image_id", "it"), "image_id")
    given = [
        plain_answer(each, "an answer")
        for each in filled_list(field_of(question, "answers", "it"), "answers")
    ]
    return Asked(
        question_id=question_id,
        picture_id=image_id,
        picture=folder.find(f"{image_id}.jpg", f"question {question_id}"),
        question=filled_text(field_of(question, "question", "it"), "question"),
        answer=most_frequent(given),
        extra={"scores": soft_scores(given)},
    )
