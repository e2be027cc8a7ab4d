"""DocVQA, and InfographicVQA of the same challenge: questions about pages.

    train_v1.0_withQT.json
        {"dataset_name": "SP-DocVQA", "dataset_split": "train", "data": [
            {"questionId": 337, "question": "what is the date mentioned in this letter?",
             "image": "documents/xnbl0037_1.png", "answers": ["1/8/93"],
             "question_types": ["handwritten", "form"], "data_split": "train", ...}]}

In InfographicVQA the picture is `image_local_name`. The label is the first answer, as it is
written; all of them are kept in `extra`, because any of them counts as right. Pictures are looked
for under their whole name, `documents/xnbl0037_1.png`, and where that is not there, without its
folder.

Format: https://rrc.cvc.uab.es/?ch=17&com=downloads
Mathew et al., "DocVQA": https://arxiv.org/abs/2007.00398
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from triptych.data.sources.conversation import BadSample, Reading
from triptych.data.sources.fields import field_of, filled_list, filled_text, mapping, name_of
from triptych.data.sources.json_files import PictureFolder, entries_of, read_object
from triptych.data.sources.turns import (
    SHORT_ANSWER,
    TOGETHER,
    Asked,
    Entries,
    collect_questions,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DocVqa:
    """Questions about pages in the layout of DocVQA."""

    path: str
    """The JSON file."""

    images: str
    """Folder of the pages."""

    instruction: str = SHORT_ANSWER
    """Said behind every question, on a line of its own."""

    together: int = TOGETHER
    """Questions about one page that share a sequence at most; 1 for one each."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The questions, those about one page together; paths are relative to `root`.

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
        published = read_object(path, "the questions of DocVQA")
        for place, entry in entries_of(published, "data", path):
            yield place, partial(_read_entry, entry, folder)


def _read_entry(entry: object, folder: PictureFolder) -> Asked:
    question = mapping(entry, "it", '{"questionId": ..., "question": ..., "answers": [...]}')
    question_id = name_of(field_of(question, "questionId", "it"), "questionId")
    key = "image_local_name" if "image_local_name" in question else "image"
    name = filled_text(field_of(question, key, "it"), key)
    answers = [
        filled_text(each, "an answer")
        for each in filled_list(field_of(question, "answers", "it"), "answers")
    ]
    return Asked(
        question_id=question_id,
        picture_id=name,
        picture=_page(name, folder, f"question {question_id}"),
        question=filled_text(field_of(question, "question", "it"), "question"),
        answer=answers[0],
        extra={"answers": answers, "question_types": question.get("question_types", [])},
    )


def _page(name: str, folder: PictureFolder, where: str) -> Path:
    try:
        return folder.find(name, where)
    except BadSample:
        return folder.find(PurePosixPath(name).name, where)
