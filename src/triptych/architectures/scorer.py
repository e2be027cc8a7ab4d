"""A model that compares pictures with texts as data: its model, its processor, its paper.

The sibling of `Architecture`: such a model takes no conversation and writes no answer, so the two
have no field in common but a name and a paper, and no function takes both by accident.
"""

from dataclasses import dataclass
from typing import TypeAlias

import torch

from triptych.fusion.dual import DualConfig, DualEncoder
from triptych.fusion.matching import Matcher, MatcherConfig
from triptych.pairs import PairProcessorConfig

ScorerConfig: TypeAlias = DualConfig | MatcherConfig
"""Every kind of model that compares pictures with texts."""

ScorerModel: TypeAlias = DualEncoder | Matcher
"""What they build. Each has `score(inputs)`, `device` and `dtype`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorerArchitecture:
    """Everything that decides what such a model computes and what it is fed."""

    name: str
    """Short name on the command line."""

    model: ScorerConfig
    """The panels."""

    processor: PairProcessorConfig
    """How pictures and texts become its inputs."""

    paper: str = ""
    """Where it was published."""

    def build(self, seed: int) -> ScorerModel:
        """The model with fresh weights that depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.model.build()
