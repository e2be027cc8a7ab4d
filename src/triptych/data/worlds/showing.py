"""Samples of a world written down for people to look at: pictures, and a sheet with the answers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from triptych.data.worlds import draw, draw_pair, find_world
from triptych.data.worlds.question import BoxPart, PointPart, Question
from triptych.data.worlds.wording import SPLITS, Split
from triptych.data.worlds.world import Drawing, SampleId, WorldSample
from triptych.errors import UnknownNameError, UsageError
from triptych.media import SheetLine, SheetRow, draw_boxes, draw_points, sheet

SHEET_ROWS = 24
"""Samples that a sheet has room for; more are written, but not put on it."""

_STRIP = 6
"""Most frames of a clip on a sheet, evenly spread from the first to the last."""


@dataclass(frozen=True, slots=True)
class ShownSample:
    """One sample with the files that its pictures were written to."""

    sample: WorldSample
    paths: tuple[Path, ...]
    contrast: tuple[Question, Question] | None = None
    """For a twin, the question that tells it from the original, with the original's answer and
    with its own."""

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        found: dict[str, Any] = {
            "id": self.sample.sample_id,
            "pictures": [str(path) for path in self.paths],
            "fps": self.sample.drawing.fps,
            "questions": [_plain(question) for question in self.sample.questions],
            "truth": self.sample.truth,
        }
        if self.contrast:
            found["contrast"] = [_plain(question) for question in self.contrast]
        return found


def sample_ids(
    world: str,
    split: str,
    number: int,
    count: int,
    *,
    prior: float = 0.0,
    twin: bool = False,
    num_nuisance: int = 0,
) -> list[SampleId]:
    """Ids of `count` samples from `number` on, each followed by the variants asked for.

    Raises:
        UnknownNameError: there is no such world or split.
        UsageError: a number is out of range.
    """
    find_world(world)
    if number < 0:
        raise UsageError(f"there is no sample {number}; the first one is 0")
    if count < 1:
        raise UsageError(f"{count} samples cannot be drawn; ask for at least one")
    if num_nuisance < 0:
        raise UsageError(f"{num_nuisance} nuisance variants cannot be drawn; ask for 0 or more")
    if not 0 <= prior <= 1:
        raise UsageError(f"a language prior of {prior:g} is no share; give a number from 0 to 1")
    variants = [
        "",
        *(["twin"] if twin else []),
        *(f"nuisance-{n}" for n in range(1, num_nuisance + 1)),
    ]
    return [
        SampleId(world=world, split=_split(split), number=each, prior=prior, variant=variant)
        for each in range(number, number + count)
        for variant in variants
    ]


def show(sample_ids: Sequence[SampleId], folder: Path) -> list[ShownSample]:
    """Draw samples and write their pictures and `sheet.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [_show(sample_id, folder) for sample_id in sample_ids]
    rows = [_row(each) for each in shown[:SHEET_ROWS]]
    first, last = shown[0].sample.sample_id, shown[len(rows) - 1].sample.sample_id
    title = first if first == last else f"{first} to {last}"
    sheet(rows, title).save(folder / "sheet.png")
    return shown


def answer_text(question: Question) -> str:
    """An answer as people read it, boxes and points in pixels of the picture."""
    words: list[str] = []
    for part in question.answer:
        if isinstance(part, BoxPart):
            box = part.box
            place = f"({box.left:.0f}, {box.top:.0f}, {box.right:.0f}, {box.bottom:.0f})"
            words.append(f"{part.label} {place}".strip())
        elif isinstance(part, PointPart):
            words.append(f"{part.label} ({part.point.x:.0f}, {part.point.y:.0f})".strip())
        else:
            words.append(part.strip())
    return " ".join(words)


def summary(shown: ShownSample) -> str:
    """The files of a sample and its questions with their answers, a line each."""
    lines = [f"{shown.sample.sample_id}: {', '.join(map(str, shown.paths))}"]
    if shown.contrast:
        before, after = shown.contrast
        lines.append(f"  {after.text} -> {answer_text(before)} | twin: {answer_text(after)}")
    lines += [f"  {each.text} -> {answer_text(each)}" for each in shown.sample.questions]
    return "\n".join(lines)


def _split(name: str) -> Split:
    for split in SPLITS:
        if split == name:
            return split
    raise UnknownNameError("split", name, SPLITS)


def _show(sample_id: SampleId, folder: Path) -> ShownSample:
    sample = draw(str(sample_id))
    stem = sample.sample_id.replace("/", "-")
    paths = _write(sample.drawing, folder, stem)
    if sample_id.variant != "twin":
        return ShownSample(sample, paths)
    pair = draw_pair(sample.sample_id.removesuffix("/twin"))
    return ShownSample(sample, paths, (pair.question, pair.twin_question))


def _write(drawing: Drawing, folder: Path, stem: str) -> tuple[Path, ...]:
    """A clip as one animated file, stills as one file each."""
    first, *others = drawing.pictures
    if drawing.fps:
        path = folder / f"{stem}.gif"
        first.save(
            path, save_all=True, append_images=others, duration=round(1000 / drawing.fps), loop=0
        )
        return (path,)
    if not others:
        paths = (folder / f"{stem}.png",)
    else:
        paths = tuple(folder / f"{stem}-{n}.png" for n in range(1, len(drawing.pictures) + 1))
    for picture, path in zip(drawing.pictures, paths, strict=True):
        picture.save(path)
    return paths


def _row(shown: ShownSample) -> SheetRow:
    sample = shown.sample
    lines = [
        SheetLine(_kind(each), f"{each.text} -> {answer_text(each)}") for each in sample.questions
    ]
    if shown.contrast:
        before, after = shown.contrast
        text = f"{after.text} -> {answer_text(before)} / {answer_text(after)}"
        lines.insert(0, SheetLine("twin", text))
    return SheetRow(_strip(sample), tuple(lines))


def _kind(question: Question) -> str:
    return question.kind.partition("/")[2]


def _strip(sample: WorldSample) -> Image.Image:
    """The picture with what answers point at; several side by side, the first with the marks."""
    pictures = list(sample.drawing.pictures)
    if sample.drawing.fps and len(pictures) > _STRIP:
        last = len(pictures) - 1
        pictures = [pictures[round(last * index / (_STRIP - 1))] for index in range(_STRIP)]
    pictures[0] = _marked(pictures[0], sample.questions)
    if len(pictures) == 1:
        return pictures[0]
    width = sum(picture.width for picture in pictures) + 4 * (len(pictures) - 1)
    page = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        page.paste(picture, (left, 0))
        left += picture.width + 4
    return page


def _marked(picture: Image.Image, questions: Sequence[Question]) -> Image.Image:
    parts = dict.fromkeys(part for question in questions for part in question.answer)
    boxes = [(part.box, part.label) for part in parts if isinstance(part, BoxPart)]
    points = [(part.point, part.label) for part in parts if isinstance(part, PointPart)]
    return draw_points(draw_boxes(picture, boxes), points)


def _plain(question: Question) -> dict[str, Any]:
    return {
        "kind": question.kind,
        "text": question.text,
        "answer": answer_text(question),
        "parts": [part if isinstance(part, str) else asdict(part) for part in question.answer],
        "truth": {"type": type(question.truth).__name__.lower(), **asdict(question.truth)},
        "tags": dict(question.tags),
    }
