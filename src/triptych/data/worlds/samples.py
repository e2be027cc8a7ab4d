"""Drawn worlds as training samples: one picture, several questions about it in one row.

Sample n of a mixture is always the same picture; which of its questions are asked is decided by
the generator. Every second sample is the counterfactual twin of the one before, so the model
meets the same picture with one fact changed, and cannot answer from the question alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from random import Random

import torch

from triptych.data.worlds.marks import CellContent, Mark, cell_contents
from triptych.data.worlds.question import AnswerPart, BoxPart, Question
from triptych.data.worlds.wording import Split
from triptych.data.worlds.world import Drawing, SampleId, World, WorldSample, draw_facts, facts_of
from triptych.errors import ConfigError, DataError
from triptych.inputs import IGNORED, ImageSpan, VisualLabels
from triptych.media import Clip
from triptych.pictures import EncodedImage
from triptych.processor import Message, Processor, Sample, ask_about
from triptych.sequences import weighed_by_length
from triptych.text import Tokenizer


class WorldSamples:
    """A mixture of worlds as a source of training samples."""

    def __init__(
        self,
        processor: Processor,
        worlds: Mapping[str, World],
        shares: Mapping[str, float],
        num_samples: int,
        *,
        split: Split = "train",
        max_questions: int = 10,
        kinds: Collection[str] = (),
        rarer: Mapping[str, float] | None = None,
        prior: float = 0.0,
        describes: bool = False,
    ) -> None:
        """`shares` says how often each world is drawn, relative to the others.

        Only questions of `kinds` are asked where any are named; a picture must allow one of them.
        A model that writes no places is not asked for any.
        `rarer` says of kinds of questions which share of them is asked.
        With `describes` samples say what each visual token shows, too.

        Raises:
            ConfigError: a share names no world or is negative, or all are zero.
        """
        self.processor = processor
        self.worlds = worlds
        self.num_samples = num_samples
        self.split: Split = split
        self.max_questions = max_questions
        self.kinds = frozenset(kinds)
        self.rarer = dict(rarer or {})
        self.prior = prior
        self.describes = describes
        self._names = sorted(shares)
        self._shares = [shares[name] for name in self._names]
        for name, share in shares.items():
            if name not in worlds or share < 0:
                raise ConfigError(
                    f"a mixture has shares of at least 0 of {', '.join(sorted(worlds))}, got "
                    f"{name}={share}"
                )
        if sum(self._shares) <= 0:
            raise ConfigError("the shares of all worlds are 0; give at least one more than that")

    def __len__(self) -> int:
        return self.num_samples

    def lengths(self) -> None:
        """Unknown before they are drawn."""

    def sample_id(self, index: int) -> SampleId:
        """Which drawing sample `index` is."""
        number = index // 2
        world = Random(number).choices(self._names, self._shares)[0]
        return SampleId(
            world=world,
            split=self.split,
            number=number,
            prior=self.prior,
            variant="twin" if index % 2 else "",
        )

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """One picture with up to `max_questions` of its questions."""
        sample_id = self.sample_id(index)
        world = self.worlds[sample_id.world]
        facts = facts_of(world, sample_id)
        drawn = draw_facts(world, sample_id, facts)
        rng = Random(int(torch.randint(2**62, (), generator=generator)))
        questions = [each for each in drawn.questions if self._is_asked(each)]
        rng.shuffle(questions)
        if self.rarer:
            kept = [q for q in questions if rng.random() < self.rarer.get(q.kind, 1.0)]
            questions = kept or questions
        sample = encode_questions(self.processor, drawn, questions[: self.max_questions])
        if self.describes:
            marks = world.marks(facts)
            labels = describe_visuals(self.processor, drawn.drawing, marks, sample.spans)
            sample = replace(sample, visual_labels=labels)
        return weighed_by_length(sample)

    def _is_asked(self, question: Question) -> bool:
        if self.kinds and question.kind not in self.kinds:
            return False
        has_places = self.processor.config.coordinates is not None
        return has_places or all(isinstance(part, str) for part in question.answer)


def encode_questions(
    processor: Processor, drawn: WorldSample, questions: Sequence[Question]
) -> Sample:
    """Questions and answers about one drawing, as one sample that holds the drawing once."""
    conversations = [
        [*prompt(drawn.drawing, question.text), answer_message(question.answer)]
        for question in questions
    ]
    return processor.encode_conversations(
        conversations,
        sample_id=drawn.sample_id,
        images=encode_drawing(processor, drawn.drawing),
    )


MAX_LETTERS = 6
"""Letters of a cell that are told; small print has a few more."""

NOTHING_WEIGHT = 0.15
"""How much it counts to say that there is no thing, or no letter: most cells have none."""


def describe_visuals(
    processor: Processor,
    drawing: Drawing,
    marks: Sequence[Sequence[Mark]],
    spans: Sequence[ImageSpan],
) -> tuple[VisualLabels, ...]:
    """What each visual token of a drawing shows; of a clip nothing is said.

    Raises:
        ConfigError: the visual tokens do not lie on a grid.
    """
    labels: list[VisualLabels] = []
    for picture, own, span in zip(drawing.pictures, marks, spans, strict=False):
        if span.token_grid is None:
            raise ConfigError(
                "what visual tokens show can be told only where they lie on a grid; choose a "
                "connector that keeps it"
            )
        grid = span.token_grid
        contents = cell_contents(own, picture.size, grid) if drawing.fps is None else []
        labels.append(_visual_labels(processor.tokenizer, contents, span.num_slots))
    return tuple(labels)


def _visual_labels(
    tokenizer: Tokenizer, contents: Sequence[CellContent], num_tokens: int
) -> VisualLabels:
    nothing = tokenizer.special(NOTHING)
    words = torch.full((num_tokens, 1 + MAX_LETTERS, 4), IGNORED)
    weights = torch.zeros(num_tokens, 1 + MAX_LETTERS)
    edges = torch.full((num_tokens, 4), float("nan"))
    if contents:
        # Lists first: writing numbers into a tensor one by one takes far longer.
        say = lru_cache(maxsize=None)(partial(_said_of_cell, tokenizer, nothing))
        said = [say(content.words, content.letters) for content in contents]
        words[: len(contents)] = torch.tensor([own for own, _ in said])
        weights[: len(contents)] = torch.tensor([own for _, own in said])
        unknown = (float("nan"),) * 4
        edges[: len(contents)] = torch.tensor([c.edges or unknown for c in contents])
    return VisualLabels(words=words, weights=weights, edges=edges)


def _said_of_cell(
    tokenizer: Tokenizer, nothing: int, words: tuple[str, ...], letters: tuple[str, ...]
) -> tuple[list[list[int]], list[float]]:
    """Token ids of every slot of a cell, and how much each slot counts."""
    told = [_first_token(tokenizer, f" {word}") for word in words] or [nothing]
    spelt = [_first_token(tokenizer, letter) for letter in letters[:MAX_LETTERS]]
    slots = [told, *([letter] for letter in [*spelt, nothing][:MAX_LETTERS])]
    counts = [1.0 if words else NOTHING_WEIGHT]
    counts += [1.0 if letters else NOTHING_WEIGHT] * (len(slots) - 1)
    empty = 1 + MAX_LETTERS - len(slots)
    ids = [slot + [IGNORED] * (4 - len(slot)) for slot in slots] + [[IGNORED] * 4] * empty
    return ids, counts + [0.0] * empty


def _first_token(tokenizer: Tokenizer, text: str) -> int:
    return tokenizer.encode(text)[0]


NOTHING = "<|vision_pad|>"
"""The token that a cell without things, and a slot without a letter, is to say."""


def encode_drawing(processor: Processor, drawing: Drawing) -> list[EncodedImage]:
    """The pictures of a drawing as the model takes them; a clip is one."""
    if drawing.fps is not None:
        return [processor.encode_clip(as_clip(drawing))]
    return [processor.encode_image(picture) for picture in drawing.pictures]


def prompt(drawing: Drawing, text: str) -> list[Message]:
    """The user's turn: the pictures or the clip, then the question."""
    if drawing.fps is None:
        return ask_about(drawing.pictures, text)
    video = {"type": "video", "video": as_clip(drawing)}
    return [{"role": "user", "content": [video, {"type": "text", "text": text}]}]


def as_clip(drawing: Drawing) -> Clip:
    """The pictures of a drawing as the frames of a clip.

    Raises:
        DataError: they are stills.
    """
    if drawing.fps is None:
        raise DataError("a drawing of stills is no clip; encode its pictures instead")
    duration_s = len(drawing.pictures) / drawing.fps
    return Clip(drawing.pictures, fps=drawing.fps, duration_s=duration_s, source="drawn clip")


def answer_message(answer: Sequence[AnswerPart]) -> Message:
    """The assistant's turn, boxes and points as content parts."""
    return {"role": "assistant", "content": [_content_part(part) for part in answer]}


def _content_part(part: AnswerPart) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, BoxPart):
        return {"type": "box", "box": part.box, "label": part.label}
    return {"type": "point", "point": part.point, "label": part.label}
