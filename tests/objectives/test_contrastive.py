"""The contrastive loss: what it is on small numbers, and that a twin learns by it."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.laws.debug_scorers import build_scorer, scorer

from triptych.errors import ConfigError, ShapeError
from triptych.objectives import contrastive as losses
from triptych.objectives.contrastive import contrastive

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}


def test_the_softmax_loss_asks_both_ways():
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-2))]
    cols = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(-3))]
    assert losses._softmax(scores, scores.T).item() == pytest.approx((sum(rows) + sum(cols)) / 4)


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


def test_a_picture_is_as_near_as_the_nearest_of_its_queries():
    images = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.8], [-1.0, 0.0]]])
    texts = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    assert losses.nearest(images, texts).flatten().tolist() == pytest.approx([1, 0, 0.6, 0])


def test_a_matcher_without_a_temperature_is_refused():
    debug = scorer("blip2_itm_debug")
    inputs = debug.processor.encode([np.zeros((9, 9, 3), np.uint8)], ["a"])
    with pytest.raises(ConfigError, match="pretraining=True"):
        contrastive(debug.model, inputs)


@pytest.mark.parametrize("name", ["clip_debug", "siglip_debug"])
def test_pairs_on_two_processes_teach_what_one_batch_teaches(name):
    debug = scorer(name)
    pictures = [np.full((40, 40, 3), colour, np.uint8) for colour in COLOURS.values()]
    inputs = debug.processor.encode(pictures, [f"a {name} picture" for name in COLOURS])
    model, parameters = debug.model, list(debug.model.parameters())
    whole = contrastive(model, inputs)
    images, texts = model.embed_images(inputs.pixels), model.embed_texts(inputs.token_ids)
    parts = []
    for own, other in ((slice(0, 2), slice(2, 4)), (slice(2, 4), slice(0, 2))):
        # What a gather between processes would bring, in the order of images and texts.
        foreign = {id(side): side[other] for side in (images, texts)}
        sides = {id(side): side[own] for side in (images, texts)}
        of_rows = {id(sides[key]): foreign[key] for key in sides}
        parts.append(
            losses.contrast(
                model,
                sides[id(images)],
                sides[id(texts)],
                gather=lambda rows, of_rows=of_rows: torch.cat([rows, of_rows[id(rows)]]),
            )
        )
    apart = (parts[0] + parts[1]) / 2
    assert apart.item() == pytest.approx(whole.item(), rel=1e-6)
    for own, theirs in zip(
        torch.autograd.grad(apart, parameters, allow_unused=True),
        torch.autograd.grad(whole, parameters, allow_unused=True),
        strict=True,
    ):
        if theirs is not None:
            torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-6)
