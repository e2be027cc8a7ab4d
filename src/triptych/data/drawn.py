"""What is drawn, as sources beside those of files: worlds with questions, shapes with captions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from triptych.data.worlds import WORLDS, find_world
from triptych.data.worlds.plain_scenes import plain_scene_sample
from triptych.data.worlds.samples import WorldSamples
from triptych.data.worlds.shape_samples import Content, shape_pair, shape_sample
from triptych.data.worlds.wording import Split
from triptych.errors import ConfigError
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnWorld:
    """Pictures of a drawn world with questions, as a source beside those of files."""

    world: str
    """Its name: scenes, signs, charts, documents, screens, pairs, clips."""

    num_samples: int
    """How many are drawn."""

    max_questions: int = 10
    """Questions about one picture."""

    kinds: tuple[str, ...] = ()
    """Which kinds of questions are asked; empty for all that the model can answer."""

    describes: bool = False
    """Whether samples say what each visual token shows, too, for the objective of seeing."""

    split: Split = "train"
    """Pictures to train on, or others."""

    def build(self, processor: Processor | PairProcessor) -> WorldSamples:
        """The world as training samples.

        Raises:
            UnknownNameError: there is none of that name.
            ConfigError: `num_samples` is below 1; a model that compares pictures with texts is to
                learn from it.
        """
        find_world(self.world)
        if isinstance(processor, PairProcessor):
            raise ConfigError(
                f"the world {self.world} gives questions, and a matcher learns from captions; take "
                "DrawnShapes, or a source of captions"
            )
        if self.num_samples < 1:
            raise ConfigError(f"num_samples must be at least 1, got {self.num_samples}")
        return WorldSamples(
            processor,
            WORLDS,
            {self.world: 1.0},
            self.num_samples,
            split=self.split,
            max_questions=self.max_questions,
            kinds=self.kinds,
            describes=self.describes,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnShapes:
    """Small pictures of one or two coloured shapes with captions: what a first try needs."""

    content: Content = "shapes"
    """Shapes; one colour all over, which is learned within a hundred steps; or scenes of one thing
    with four questions in plain words."""

    num_samples: int
    """How many are drawn."""

    first: int = 0
    """Number of the first; others than those that are trained on, to validate."""

    prompt: str = ""
    """What is asked for; nothing where empty."""

    size: int = 48
    """Side of a picture in pixels."""

    def __post_init__(self) -> None:
        for name in ("num_samples", "size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.prompt and self.content == "scenes":
            raise ConfigError(
                f"scenes come with questions of their own; leave out prompt={self.prompt!r}"
            )

    def build(self, processor: Processor | PairProcessor) -> "NumberedSamples":
        """The pictures as training samples; for a model that compares, with captions as pairs."""
        return NumberedSamples(self.num_samples, self.first, self._drawing(processor))

    def _drawing(
        self, processor: Processor | PairProcessor
    ) -> Callable[[int, torch.Generator], Sample]:
        if isinstance(processor, PairProcessor):
            return partial(shape_pair, processor, self.content, self.size)
        if self.content == "scenes":
            return partial(plain_scene_sample, processor, self.size)
        return partial(shape_sample, processor, self.content, self.size, self.prompt)


@dataclass(frozen=True, slots=True)
class NumberedSamples:
    """A source of training samples each of which is drawn from its number."""

    num_samples: int
    first: int
    """Number of the first."""
    draw: Callable[[int, torch.Generator], Sample]

    def __len__(self) -> int:
        return self.num_samples

    def lengths(self) -> None:
        """Unknown before they are drawn."""

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        return self.draw(self.first + index, generator)
