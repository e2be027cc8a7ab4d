"""Drawn shapes as training samples: one small picture, one of its captions."""

from typing import Literal, TypeAlias

import torch

from triptych.data.worlds.shapes import draw_colour, draw_shapes
from triptych.processor import Processor, Sample, ask_about

Content: TypeAlias = Literal["shapes", "colours"]
"""One or two shapes of different colours, or one colour all over."""


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
        self.draw = draw_shapes if content == "shapes" else draw_colour
        self.processor = processor
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
        drawn = self.draw(self.first + index, size=self.size)
        chosen = int(torch.randint(len(drawn.captions), (), generator=generator))
        asked = ask_about([drawn.image], self.prompt)
        answer = {"role": "assistant", "content": drawn.captions[chosen]}
        return self.processor.encode([*asked, answer], sample_id=drawn.picture_id)
