"""What is drawn, as sources beside those of files: worlds with questions, shapes with captions."""

from dataclasses import dataclass

from triptych.data.worlds import WORLDS, find_world
from triptych.data.worlds.samples import WorldSamples
from triptych.data.worlds.shape_samples import Content, ShapeSamples
from triptych.data.worlds.wording import Split
from triptych.errors import ConfigError
from triptych.processor import Processor


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

    def build(self, processor: Processor) -> WorldSamples:
        """The world as training samples.

        Raises:
            UnknownNameError: there is none of that name.
            ConfigError: `num_samples` is below 1.
        """
        find_world(self.world)
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
    """Shapes, or one colour all over, which is learned within a hundred steps."""

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

    def build(self, processor: Processor) -> ShapeSamples:
        """The pictures as training samples."""
        return ShapeSamples(
            processor,
            self.num_samples,
            content=self.content,
            first=self.first,
            prompt=self.prompt,
            size=self.size,
        )
