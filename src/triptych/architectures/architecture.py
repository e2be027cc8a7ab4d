"""A system of the literature as data: its model, its processor, and where it comes from."""

from dataclasses import dataclass

import torch

from triptych.fusion.vlm import VLM, VLMConfig
from triptych.processor import ProcessorConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """Everything that decides what a model computes and what it is fed."""

    name: str
    """Short name on the command line."""

    model: VLMConfig
    """Three panels and their hinge."""

    processor: ProcessorConfig
    """How messages become its inputs."""

    paper: str = ""
    """Where it was published."""

    def build(self, seed: int) -> VLM:
        """The model with fresh weights that depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.model.build()
