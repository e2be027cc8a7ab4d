"""What every model that compares pictures with texts promises."""

import pytest
import torch
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import SCORER_NAMES, TEXTS, build_scorer, scorer

from triptych.checkpoint.scorers import LoadedScorer
from triptych.fusion.pairs import PairScores

PICTURES = [picture(0), picture(1, 64, 48)]

TOLERANCE = 1e-5
"""Measured worst case on a CPU: 3e-7; another batch is another order of additions."""


@pytest.fixture(params=SCORER_NAMES)
def debug(request) -> LoadedScorer:
    return scorer(request.param)


@torch.no_grad()
def compare(debug: LoadedScorer, pictures: list[object], texts: tuple[str, ...]) -> PairScores:
    return debug.model.score(debug.processor.encode(pictures, texts))


def test_every_picture_meets_every_text(debug):
    scores = compare(debug, PICTURES, TEXTS)
    assert scores.similarities.shape == scores.probabilities.shape == (2, 3)
    assert scores.similarities.abs().max() <= 1
    assert scores.similarities.std() > 1e-3
    assert scores.probabilities.min() >= 0 and scores.probabilities.max() <= 1


def test_pictures_do_not_mix(debug):
    together = compare(debug, PICTURES, TEXTS)
    alone = compare(debug, PICTURES[1:], TEXTS)
    torch.testing.assert_close(
        together.similarities[1:], alone.similarities, atol=TOLERANCE, rtol=0
    )
    torch.testing.assert_close(
        together.probabilities[1:], alone.probabilities, atol=TOLERANCE, rtol=0
    )


def test_texts_do_not_mix(debug):
    """A shorter text is padded beside a longer one, and means the same."""
    together = compare(debug, PICTURES, TEXTS).similarities
    alone = torch.cat([compare(debug, PICTURES, (text,)).similarities for text in TEXTS], dim=1)
    torch.testing.assert_close(together, alone, atol=TOLERANCE, rtol=0)


def test_gradients_reach_every_parameter():
    for name in SCORER_NAMES:
        debug = build_scorer(name)
        scores = debug.model.score(debug.processor.encode(PICTURES, TEXTS))
        (scores.similarities.square().sum() + scores.probabilities.square().sum()).backward()
        for parameter, tensor in debug.model.named_parameters():
            if "key.bias" not in parameter:  # softmax does not feel it
                assert tensor.grad is not None and tensor.grad.abs().sum() > 0, parameter
