"""VQAv2: questions in one JSON file, ten people's answers in another, pictures of COCO 2014.

    v2_OpenEnded_mscoco_train2014_questions.json
        {"data_subtype": "train2014", "questions": [
            {"image_id": 458752, "question": "What is this photo taken looking through?",
             "question_id": 458752000}]}
    v2_mscoco_train2014_annotations.json
        {"data_subtype": "train2014", "annotations": [
            {"question_id": 458752000, "image_id": 458752, "question_type": "what is this",
             "answer_type": "other", "multiple_choice_answer": "net",
             "answers": [{"answer_id": 1, "answer": "net", "answer_confidence": "maybe"}, ...]}]}

The label is the most frequent answer, of several the one given first. `extra` keeps the soft score
of each answer: the accuracy of VQA averaged over leaving one person out, 0.3, 0.6, 0.9 and 1 for
answers that one, two, three and more of ten people gave. Answers are compared in lower case with
single spaces, nothing else about them is changed.

Format: https://visualqa.org/download.html
Goyal et al., "Making the V in VQA Matter": https://arxiv.org/abs/1612.00837
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from triptych.data.sources.conversation import BadSample, Reading
from triptych.data.sources.fields import (
    field_of,
    filled_list,
    filled_text,
    mapping,
    name_of,
    whole_number,
)
from triptych.data.sources.json_files import (
    PictureFolder,
    entries_of,
    entry_fields,
    read_object,
)
from triptych.data.sources.turns import (
    SHORT_ANSWER,
    TOGETHER,
    Asked,
    Entries,
    collect_questions,
)
from triptych.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class VqaV2:
    """Questions with ten answers each, in the layout of VQA version 2."""

    questions: str
    """The JSON file of the questions."""

    annotations: str
    """The JSON file of the answers."""

    images: str
    """Folder of the pictures."""

    picture_name: str = "COCO_{subset}_{image_id:012d}.jpg"
    """How a picture's file is called; `{image_id:012d}.jpg` in the folders of COCO 2017."""

    instruction: str = SHORT_ANSWER
    """Said behind every question, on a line of its own."""

    together: int = TOGETHER
    """Questions about one picture that share a sequence at most; 1 for one each."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def __post_init__(self) -> None:
        try:
            self.picture_name.format(subset="train2014", image_id=1)
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigError(
                f"picture_name is {self.picture_name!r}; write it with {{subset}} and "
                "{image_id:012d}"
            ) from error

    def read(self, root: Path = Path()) -> Reading:
        """The questions, those about one picture together; paths are relative to `root`.

        Raises:
            DataError: a file cannot be read, or too many samples cannot be used.
        """
        return collect_questions(
            root / self.questions,
            self._entries(root),
            instruction=self.instruction,
            together=self.together,
            tolerate=self.tolerate,
        )

    def _entries(self, root: Path) -> Entries:
        path, folder = root / self.questions, PictureFolder(root / self.images)
        questions = read_object(path, "the questions of VQAv2")
        subset = filled_text(questions.get("data_subtype", "train2014"), "data_subtype")
        answers = _answers(root / self.annotations)
        for place, entry in entries_of(questions, "questions", path):
            yield place, partial(self._read_entry, entry, subset, answers, folder)

    def _read_entry(
        self, entry: object, subset: str, answers: Mapping[str, object], folder: PictureFolder
    ) -> Asked:
        question = mapping(entry, "it", '{"question_id": ..., "question": ..., "image_id": ...}')
        question_id = name_of(field_of(question, "question_id", "it"), "question_id")
        image_id = whole_number(field_of(question, "image_id", "it"), "image_id")
        where = f"question {question_id}"
        if question_id not in answers:
            raise BadSample("no annotation", f"{where} has no annotation", "use matching files")
        annotation = mapping(answers[question_id], where, '{"answers": [...]}')
        given = _given(annotation, where)
        name = self.picture_name.format(subset=subset, image_id=image_id)
        kept = ("question_type", "answer_type")
        return Asked(
            question_id=question_id,
            picture_id=str(image_id),
            picture=folder.find(name, where),
            question=filled_text(field_of(question, "question", "it"), "question"),
            answer=most_frequent(given),
            extra={
                "scores": soft_scores(given),
                **{key: annotation[key] for key in kept if key in annotation},
            },
        )


def most_frequent(answers: Sequence[str]) -> str:
    """The answer that most people gave, of several the one given first."""
    return Counter(answers).most_common(1)[0][0]


def soft_scores(answers: Sequence[str]) -> dict[str, float]:
    """How right each answer is, 0 to 1: min(1, people who agree / 3), averaged over the sets of
    all people but one, as VQA is scored (https://visualqa.org/evaluation.html)."""
    total = len(answers)
    scores: dict[str, float] = {}
    for answer, count in Counter(answers).most_common():
        agree, differ = min(1.0, (count - 1) / 3), min(1.0, count / 3)
        scores[answer] = round((count * agree + (total - count) * differ) / total, 6)
    return scores


def plain_answer(value: object, where: str) -> str:
    """An answer in lower case with single spaces."""
    return " ".join(filled_text(value, where).lower().split())


def _answers(path: Path) -> Mapping[str, object]:
    annotations = read_object(path, "the annotations of VQAv2")
    return {key: entry for key, entry in _by_question(annotations, path)}


def _by_question(published: Mapping[str, Any], path: Path) -> Iterator[tuple[str, object]]:
    for _, entry in entries_of(published, "annotations", path):
        if "question_id" in (fields := entry_fields(entry)):
            yield str(fields["question_id"]), fields


def _given(annotation: Mapping[str, Any], where: str) -> list[str]:
    """What people answered; without a list of them, the answer that stands for all."""
    if "answers" not in annotation:
        return [plain_answer(field_of(annotation, "multiple_choice_answer", where), where)]
    given = filled_list(annotation["answers"], f"answers of {where}")
    return [
        plain_answer(field_of(mapping(each, where, "{}"), "answer", where), f"answer of {where}")
        for each in given
    ]
