"""What a model says about the same few pictures at every validation, so that one sees it learn.

    samples.jsonl    every answer of every validation, with its step
    samples.png      the pictures, each with what was said about it at the last validations

Answers are greedy and draw nothing at random, so a run with them has the numbers of one without.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triptych.errors import TriptychError
from triptych.fusion.vlm import VLM
from triptych.generate import GenerationOptions, generate
from triptych.inputs import IGNORED, PREFIX_BRANCH
from triptych.media import PixelConfig, SheetLine, SheetRow, sheet, to_picture
from triptych.processor import EncodedImage, Processor, Sample
from triptych.train.record import Record, read_record, say

ANSWERS, SHEET = "samples.jsonl", "samples.png"

MOST_SHOWN = 8
"""Pictures at most, and validations on the sheet."""

OPTIONS = GenerationOptions(max_new_tokens=48)


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said at one validation, in the order of the samples."""

    texts: Sequence[str]


class Showing:
    """Keeps asking about fixed samples."""

    def __init__(self, processor: Processor, samples: Sequence[Sample], folder: Path) -> None:
        self.processor = processor
        self.folder = folder
        self.samples = [each for each in samples if _first_label(each) is not None][:MOST_SHOWN]
        self.prompts = [prompt_of(each) for each in self.samples]

    def cut(self, step: int) -> None:
        """Forget what was said after `step`, which will be said again."""
        self._record = Record(self.folder / ANSWERS, resume_step=step)

    def ask(self, model: VLM) -> Answers | None:
        """What the model says now; None where it can say nothing."""
        try:
            completions = generate(model, self.processor, self.prompts, OPTIONS)
        except TriptychError as error:
            say(f"no answers are shown: {error}")
            return None
        return Answers([each.text.strip() for each in completions])

    def write(self, step: int, answers: Answers) -> None:
        """Add what was said after so many steps to both files; a full disk is said."""
        for sample, text in zip(self.samples, answers.texts, strict=True):
            self._record.write({"step": step, "sample": sample.sample_id, "answer": text})
        try:
            self._record.sync()
            self._sheet().save(self.folder / SHEET)
        except OSError as error:
            say(f"{self.folder / SHEET} cannot be written ({error})")

    def _sheet(self) -> Any:
        lines = read_record(self.folder / ANSWERS)
        steps = sorted({int(line["step"]) for line in lines})[-MOST_SHOWN:]
        rows: list[SheetRow] = []
        for index, sample in enumerate(self.samples):
            said = [line for line in lines if line["step"] in steps][index :: len(self.samples)]
            texts = [SheetLine(f"step {each['step']}", each["answer"]) for each in said]
            texts.append(SheetLine("to be said", reference_of(self.processor, sample)))
            picture = _picture(self.processor, sample.images)
            if picture is not None:
                rows.append(SheetRow(picture, tuple(texts)))
        return sheet(rows, title="What the model says about them, validation by validation")


def prompt_of(sample: Sample) -> Sample:
    """A sample up to its first answer, to be gone on with by the model."""
    first = _first_label(sample)
    assert first is not None
    kept = [
        place
        for place in range(first)
        if sample.branches[place] in (PREFIX_BRANCH, sample.branches[first])
    ]
    spans = tuple(each for each in sample.spans if each.start < first)
    return replace(
        sample,
        token_ids=[sample.token_ids[place] for place in kept],
        labels=[IGNORED] * len(kept),
        branches=[0] * len(kept),
        position_ids=sample.position_ids[..., kept],
        images=sample.images[: len(spans)],
        spans=spans,
        weights=None,
        visual_labels=(),
        num_mutual=min(sample.num_mutual, len(kept)),
    )


def reference_of(processor: Processor, sample: Sample) -> str:
    """The first answer of a sample."""
    first = _first_label(sample)
    tokens: list[int] = []
    for place in range(first or 0, len(sample.labels)):
        if sample.labels[place] == IGNORED or sample.branches[place] != sample.branches[first or 0]:
            break
        tokens.append(sample.labels[place])
    ends = processor.end_ids
    return processor.tokenizer.decode([each for each in tokens if each not in ends]).strip()


def _first_label(sample: Sample) -> int | None:
    return next((i for i, label in enumerate(sample.labels) if label != IGNORED), None)


def _picture(processor: Processor, images: Sequence[EncodedImage]) -> Any:
    """The first picture as the model sees it, of a clip or tiles the first; None of features."""
    if not images or images[0].is_features:
        return None
    pixels, vision = images[0].pixels, processor.model.vision
    while pixels.ndim > 3:
        pixels = pixels[0]
    return to_picture(pixels, PixelConfig(mean=vision.pixel_mean, std=vision.pixel_std))
