"""Drawn shapes as training samples: one small picture, one of its captions."""

import torch

from triptych.data.worlds.shapes import draw_shapes
from triptych.processor import Processor, Sample, ask_about


class ShapeSamples:
    """Pictures of shapes as a source of training samples; number n is always the same picture."""

    def __init__(
        self, processor: Processor, num_samples: int, *, first: int, prompt: str, size: int
    ) -> None:
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
        """One picture, and one of three ways to describe it."""
        drawn = draw_shapes(self.first + index, size=self.size)
        chosen = int(torch.randint(len(drawn.captions), (), generator=generator))
        asked = ask_about([drawn.image], self.prompt)
        answer = {"role": "assistant", "content": drawn.captions[chosen]}
        return self.processor.encode([*asked, answer], sample_id=drawn.picture_id)
