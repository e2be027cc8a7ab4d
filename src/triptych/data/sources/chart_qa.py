"""ChartQA: questions about charts, written by people or by a machine.

    train/train_human.json, train/train_augmented.json
        [{"imgname": "41699051005347.png", "query": "How many food item is shown in the bar graph?",
          "label": "14"}]
    train/png/41699051005347.png

Format: https://github.com/vis-nlp/ChartQA
Masry et al., "ChartQA": https://arxiv.org/abs/2203.10244
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from triptych.data.sources.conversation import Reading
from triptych.data.sources.fields import field_of, filled_text, mapping
from triptych.data.sources.json_files import PictureFolder, read_entries
from triptych.data.sources.turns import (
    SHORT_ANSWER,
    TOGETHER,
    Asked,
    Entries,
    collect_questions,
)

_KNOWN = ("imgname", "query", "label")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChartQa:
    """Questions about charts in the layout of ChartQA."""

    path: str
    """The JSON file."""

    images: str
    """Folder of the charts."""

    instruction: str = SHORT_ANSWER
    """Said behind every question, on a line of its own."""

    together: int = TOGETHER
    """Questions about one chart that share a sequence at most; 1 for one each."""

    tolerate: float = 0.01
    """Share of the samples that may be unusable."""

    def read(self, root: Path = Path()) -> Reading:
        """The questions, those about one chart together; paths are relative to `root`.

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
        entries = read_entries(path, "the questions of ChartQA")
        for index, (place, entry) in enumerate(entries):
            yield place, partial(_read_entry, str(index), entry, folder)


def _read_entry(question_id: str, entry: object, folder: PictureFolder) -> Asked:
    question = mapping(entry, "it", '{"imgname": ..., "query": ..., "label": ...}')
    name = filled_text(field_of(question, "imgname", "it"), "imgname")
    return Asked(
        question_id=question_id,
        picture_id=name,
        picture=folder.find(name, "imgname"),
        question=filled_text(field_of(question, "query", "it"), "query"),
        answer=filled_text(field_of(question, "label", "it"), "label"),
        extra={key: value for key, value in question.items() if key not in _KNOWN},
    )
