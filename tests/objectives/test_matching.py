"""Matching with hard negatives: who is drawn, who never is, and what the loss is."""

import numpy as np
import pytest
import torch
from tests.laws.debug_scorers import scorer

from triptych.errors import TrainingError
from triptych.objectives.matching import equal_pairs, hard_negatives, matching

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SEED = 3


@pytest.fixture(scope="module")
def debug():
    return scorer("blip2_itm_debug")


@pytest.fixture(scope="module")
def inputs(debug):
    pictures = [np.full((30, 30, 3), colour, np.uint8) for colour in COLOURS.values()]
    return debug.processor.encode(pictures, list(COLOURS))


def drawn(scores, equal, times=2000):
    generator = torch.Generator().manual_seed(SEED)
    return [hard_negatives(scores, equal, generator) for _ in range(times)]


def test_negatives_are_drawn_by_how_well_they_seem_to_fit():
    scores = torch.tensor([[9.0, 1.0, 0.0], [0.0, 9.0, 0.0], [2.0, 0.0, 9.0]])
    found = drawn(scores, torch.eye(3, dtype=torch.bool))
    texts = torch.stack([each.texts for each in found])
    images = torch.stack([each.images for each in found])
    # softmax over 1 and 0: e / (e + 1); three standard deviations of 2,000 draws are 0.03.
    share = float((texts[:, 0] == 1).float().mean())
    assert share == pytest.approx(1 / (1 + np.exp(-1.0)), abs=0.03)
    share = float((images[:, 0] == 2).float().mean())
    assert share == pytest.approx(1 / (1 + np.exp(-2.0)), abs=0.03)


def test_a_pair_is_never_its_own_negative_and_nor_is_what_equals_it():
    equal = torch.eye(4, dtype=torch.bool)
    equal[0, 1] = equal[1, 0] = True
    for each in drawn(50 * equal.float(), equal, times=300):
        assert not equal[torch.arange(4), each.texts].any()
        assert not equal[each.images, torch.arange(4)].any()


def test_the_same_seed_draws_the_same():
    scores, equal = torch.zeros(5, 5), torch.eye(5, dtype=torch.bool)
    first, second = (
        hard_negatives(scores, equal, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first.texts, second.texts) and torch.equal(first.images, second.images)


def test_pairs_are_equal_by_picture_or_by_text(debug):
    red, blue = (np.full((30, 30, 3), COLOURS[name], np.uint8) for name in ("red", "blue"))
    inputs = debug.processor.encode([red, red, blue, blue], ["a", "bb", "bb", "c"])
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert equal_pairs(inputs).int().tolist() == expected


def test_a_pair_with_nothing_to_be_told_from_is_refused(debug):
    red = np.full((30, 30, 3), 9, np.uint8)
    inputs = debug.processor.encode([red, red], ["a", "b"])
    with pytest.raises(TrainingError, match="pair 0 of 2 has no other pair"):
        hard_negatives(torch.zeros(2, 2), equal_pairs(inputs), torch.Generator())


@torch.no_grad()
def test_the_loss_is_that_of_pairs_and_both_kinds_of_negatives(debug, inputs):
    features = debug.model.vision(inputs.pixels)
    scores = torch.zeros(3, 3)
    found = matching(debug.model, features, inputs, scores, torch.Generator().manual_seed(SEED))
    negatives = hard_negatives(
        scores, torch.eye(3, dtype=torch.bool), torch.Generator().manual_seed(SEED)
    )
    probabilities = debug.model.score(inputs).probabilities
    pairs = [(i, i, True) for i in range(3)]
    pairs += [(i, int(negatives.texts[i]), False) for i in range(3)]
    pairs += [(int(negatives.images[i]), i, False) for i in range(3)]
    each = [
        -torch.log(probabilities[image, text] if fits else 1 - probabilities[image, text])
        for image, text, fits in pairs
    ]
    assert float(found) == pytest.approx(float(torch.stack(each).mean()), rel=1e-5)
