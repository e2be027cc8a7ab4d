"""Every debug architecture that compares pictures with texts, its weights far from fresh values."""

from functools import cache

import torch

from triptych.architectures import SCORERS, debug_tokenizer
from triptych.checkpoint.scorers import LoadedScorer
from triptych.pairs import PairProcessor

SCORER_NAMES = sorted(name for name in SCORERS if name.endswith("_debug"))

TEXTS = ("a red circle", "x", "there is a green triangle above a cross")
"""Of unequal lengths."""


@cache
def scorer(name: str) -> LoadedScorer:
    """The debug architecture of that name, ready to run; do not change its weights."""
    return build_scorer(name)


def build_scorer(name: str) -> LoadedScorer:
    """The same, anew: its weights may be changed."""
    architecture = SCORERS[name]()
    model = architecture.build(seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    config = architecture.processor
    specials = dict.fromkeys((*config.begin_tokens, *config.end_tokens, config.pad_token))
    tokenizer = debug_tokenizer(tuple(specials))
    return LoadedScorer(architecture, model, PairProcessor(config, architecture.model, tokenizer))
