"""Drawn shapes as training samples: one small picture, one of its captions."""

from typing import Literal, TypeAlias

import torch

from triptych.data.worlds.plain_scenes import draw_plain_scene, plain_caption
from triptych.data.worlds.shapes import DrawnPicture, draw_colour, draw_shapes
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample, ask_about

Content: TypeAlias = Literal["shapes", "colours", "scenes"]
"""One or two shapes of different colours, one colour all over, or plain scenes with questions."""


class ShapeSamples:
    """Pictures of shapes as a source of training samples; number n is always the same picture."""

    def __init__(
        self,
        processor: Processor,
        num_samples: int,
        *,
        content: Content = "shapes",
        first: int = 0,
        prompt: str = "",
        size: int = 48,
    ) -> None:
        self.processor = processor
        self.content: Content = content
        self.num_samples = num_samples
        self.first = first
        self.prompt = prompt
        self.size = size

    def __len__(self) -> int:
        return self.num_samples

    def lengths(self) -> None:
        """Unknown before a caption is chosen."""

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """One picture, and one of the ways to describe it."""
        drawn = _draw(self.content, self.first + index, self.size)
        chosen = int(torch.randint(len(drawn.captions), (), generator=generator))
        asked = ask_about([drawn.image], self.prompt)
        answer = {"role": "assistant", "content": drawn.captions[chosen]}
        return self.processor.encode([*asked, answer], sample_id=drawn.picture_id)


class ShapePairs:
    """The same pictures as pairs with one of their captions, for models that compare the two."""

    def __init__(
        self,
        processor: PairProcessor,
        num_samples: int,
        *,
        content: Content = "shapes",
        first: int = 0,
        size: int = 48,
    ) -> None:
        self.processor = processor
        self.num_samples = num_samples
        self.content: Content = content
        self.first = first
        self.size = size

    def __len__(self) -> int:
        return self.num_samples

    def lengths(self) -> None:
        """Unknown before a caption is chosen."""

    def sample(self, index: int, generator: torch.Generator) -> Sample:
        """One picture, and one of the ways to describe it."""
        drawn = _draw(self.content, self.first + index, self.size)
        chosen = int(torch.randint(len(drawn.captions), (), generator=generator))
        return self.processor.encode_pair(
            drawn.image, drawn.captions[chosen], sample_id=drawn.picture_id
        )


def _draw(content: Content, number: int, size: int) -> DrawnPicture:
    if content == "scenes":
        drawn = draw_plain_scene(number, size)
        [picture] = drawn.drawing.pictures
        return DrawnPicture(drawn.sample_id, picture, (), (plain_caption(drawn),))
    return (draw_shapes if content == "shapes" else draw_colour)(number, size=size)
