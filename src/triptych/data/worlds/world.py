"""What a world is: pictures drawn from facts, so that every answer about them is known.

    number -> compose -> facts -> render -> pictures
                           |
                           +----> ask ----> questions with true answers
                           +----> change -> the counterfactual twin: exactly one fact differs
                           +----> vary ---> a nuisance variant: no fact differs, the pixels do

Everything is a function of the sample's id, so any sample can be drawn again:

    scenes/train/17              the 17th training sample
    scenes/train/17/twin         the same with one fact changed
    scenes/test/17/nuisance-3    the same facts, drawn differently
    scenes/train@0.8/17          drawn with a language prior of strength 0.8
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Protocol, cast, runtime_checkable

from PIL import Image

from triptych.data.worlds.marks import Mark
from triptych.data.worlds.question import Question
from triptych.data.worlds.wording import SPLITS, Split
from triptych.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What a model is shown."""

    pictures: tuple[Image.Image, ...]
    """RGB; several pictures in order, or the frames of one clip."""

    fps: float | None = None
    """Frames a second when the pictures are a clip; None for stills."""


def blanked(drawing: Drawing) -> Drawing:
    """The same sizes in plain grey: what is left of a question when nothing can be seen."""
    grey = tuple(Image.new("RGB", each.size, (128, 128, 128)) for each in drawing.pictures)
    return replace(drawing, pictures=grey)


@runtime_checkable
class World(Protocol):
    """One kind of picture. `facts` are frozen dataclasses of the world's own.

    Facts hold everything `render` needs, nuisance included (colour of the background, a noise
    seed), so equal facts give equal pixels. All randomness comes from the generator passed in.
    """

    name: str

    def compose(self, rng: Random, split: Split, prior: float) -> Any:
        """Fresh facts. `prior` in 0..1 is how often a planted association of question words
        and answers holds (always the same association); 0 plants none."""
        ...

    def change(self, facts: Any, rng: Random) -> Any:
        """The facts with exactly one that questions ask about changed; nuisance stays as it is."""
        ...

    def vary(self, facts: Any, rng: Random) -> Any:
        """The same facts to be drawn differently; every question keeps its answer."""
        ...

    def render(self, facts: Any) -> Drawing:
        """Draw them. A pure function of the facts."""
        ...

    def ask(self, facts: Any, rng: Random, split: Split) -> Sequence[Question]:
        """Questions of every kind that these facts allow, in random order, about 6 to 12."""
        ...

    def contrast(
        self, facts: Any, changed: Any, rng: Random, split: Split
    ) -> tuple[Question, Question]:
        """One question in the same words about facts and twin, whose answers differ."""
        ...

    def describe(self, facts: Any) -> dict[str, Any]:
        """The complete truth as plain JSON values: objects with boxes, texts, values."""
        ...

    def marks(self, facts: Any) -> Sequence[Sequence[Mark]]:
        """The things and letters that each picture shows, later ones on top of earlier ones."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSample:
    """One drawn sample."""

    sample_id: str
    drawing: Drawing
    questions: tuple[Question, ...]
    truth: dict[str, Any]
    """Everything there is to know about the pictures, as plain values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleId:
    """The parts of an id, see the top of this file."""

    world: str
    split: Split
    number: int
    prior: float = 0.0
    variant: str = ""
    """Empty, `twin`, or `nuisance-N`."""

    def __str__(self) -> str:
        prior = f"@{self.prior:g}" if self.prior else ""
        variant = f"/{self.variant}" if self.variant else ""
        return f"{self.world}/{self.split}{prior}/{self.number}{variant}"

    @classmethod
    def parse(cls, text: str) -> "SampleId":
        """Read an id.

        Raises:
            UsageError: it is not one.
        """
        match = re.fullmatch(
            r"(\w+)/(\w+)(?:@(0?\.\d+|0|1|1\.0))?/(\d+)(?:/(twin|nuisance-\d+))?", text
        )
        if match is None or match[2] not in SPLITS:
            raise UsageError(
                f"{text!r} is no sample id; write WORLD/SPLIT/NUMBER like scenes/test/17, with a "
                f"split among {', '.join(SPLITS)}"
            )
        return cls(
            world=match[1],
            split=cast(Split, match[2]),
            number=int(match[4]),
            prior=float(match[3] or 0),
            variant=match[5] or "",
        )

    def rng(self, purpose: str) -> Random:
        """Randomness for one purpose; twins and variants share that of `compose`."""
        base = f"{self.world}/{self.split}@{self.prior:g}/{self.number}"
        digest = hashlib.blake2b(f"{base}:{purpose}".encode(), digest_size=8).digest()
        return Random(int.from_bytes(digest, "big"))


def draw_from(world: World, sample_id: SampleId) -> WorldSample:
    """Draw one sample of a world."""
    return draw_facts(world, sample_id, facts_of(world, sample_id))


def draw_facts(world: World, sample_id: SampleId, facts: Any) -> WorldSample:
    """Draw one sample whose facts (see `facts_of`) are known already."""
    return WorldSample(
        sample_id=str(sample_id),
        drawing=world.render(facts),
        questions=tuple(
            world.ask(facts, sample_id.rng(f"ask {sample_id.variant}"), sample_id.split)
        ),
        truth=world.describe(facts),
    )


def facts_of(world: World, sample_id: SampleId) -> Any:
    """The facts of a sample, its variant's if it is one."""
    facts = world.compose(sample_id.rng("compose"), sample_id.split, sample_id.prior)
    if sample_id.variant == "twin":
        return world.change(facts, sample_id.rng("change"))
    if sample_id.variant:
        return world.vary(facts, sample_id.rng(sample_id.variant))
    return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A picture and its counterfactual twin, with one question whose answers differ."""

    sample_id: str
    drawing: Drawing
    twin: Drawing
    question: Question
    twin_question: Question
    """The same words, another answer."""


def draw_pair(world: World, sample_id: SampleId) -> Pair:
    """Draw a sample and its twin."""
    facts = world.compose(sample_id.rng("compose"), sample_id.split, sample_id.prior)
    changed = world.change(facts, sample_id.rng("change"))
    question, twin_question = world.contrast(
        facts, changed, sample_id.rng("contrast"), sample_id.split
    )
    return Pair(
        sample_id=str(sample_id),
        drawing=world.render(facts),
        twin=world.render(changed),
        question=question,
        twin_question=twin_question,
    )
