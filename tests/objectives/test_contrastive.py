"""The contrastive loss: what it is on small numbers, and that a twin learns by it."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.laws.debug_scorers import build_scorer, scorer

from triptych.errors import ShapeError
from triptych.objectives import contrastive as losses
from triptych.objectives.contrastive import contrastive

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}


def test_the_softmax_loss_asks_both_ways():
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-2))]
    cols = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(-3))]
    assert losses._softmax(scores).item() == pytest.approx((sum(rows) + sum(cols)) / 4)


def test_the_sigmoid_loss_judges_every_pair():
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    wrong = [math.log(1 + math.exp(x)) for x in (-2, 0, 1, -3)]
    assert losses._sigmoid(scores).item() == pytest.approx(sum(wrong) / 2)


def test_pictures_without_their_texts_are_refused():
    debug = scorer("clip_debug")
    inputs = debug.processor.encode([np.zeros((9, 9, 3), np.uint8)], ["a", "b"])
    with pytest.raises(ShapeError, match="1 pictures and 2 texts make no pairs"):
        contrastive(debug.model, inputs)


@pytest.mark.parametrize("name", ["clip_debug", "siglip_debug"])
def test_a_twin_learns_which_picture_is_which_colour(name):
    debug = build_scorer(name)
    pictures = [np.full((40, 40, 3), colour, np.uint8) for colour in COLOURS.values()]
    inputs = debug.processor.encode(pictures, [f"a {name} picture" for name in COLOURS])
    optimiser = torch.optim.AdamW(debug.model.parameters(), lr=3e-3)
    history = SimpleNamespace(first=contrastive(debug.model, inputs).item(), last=0.0)
    for _ in range(30):
        optimiser.zero_grad()
        loss = contrastive(debug.model, inputs)
        loss.backward()
        optimiser.step()
        history.last = loss.item()
    assert history.last < history.first / 4
    with torch.no_grad():
        assert debug.model(inputs).argmax(dim=1).tolist() == [0, 1, 2, 3]
