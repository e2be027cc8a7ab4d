"""Saying what visual tokens show: what is asked, how much it counts, what it is worth."""

import math
from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import subject

from triptych.errors import TrainingError
from triptych.inputs import IGNORED, VisualLabels
from triptych.objectives.seeing import EDGE_WEIGHT, num_described, seeing


@pytest.fixture(scope="module")
def debug():
    return subject("qwen2_vl_debug")


def labels(words: list[list[list[int]]], weights: list[list[float]] | None = None) -> VisualLabels:
    ids = torch.tensor(words)
    asked = (ids[..., 0] != IGNORED).float()
    return VisualLabels(
        words=ids,
        weights=asked if weights is None else torch.tensor(weights),
        edges=torch.full((len(words), 4), math.nan),
    )


def visual(debug, count: int) -> torch.Tensor:
    dim = debug.model.config.language.dim
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_the_words_of_a_thing_share_its_loss_evenly(debug):
    tokens = visual(debug, 1)
    log_p = debug.model.language.head(tokens[None])[0].log_softmax(dim=-1)
    found = seeing(debug.model, [tokens], [labels([[[5, 9]]])])
    assert float(found) == pytest.approx(-float(log_p[0, 5] + log_p[0, 9]) / 2, rel=1e-5)


@torch.no_grad()
def test_a_slot_that_is_not_asked_and_a_word_that_is_not_there_count_nothing(debug):
    tokens = visual(debug, 2)
    both = labels([[[5, IGNORED]], [[7, 8]]], [[1.0], [0.0]])
    alone = labels([[[5, IGNORED]]])
    assert float(seeing(debug.model, [tokens], [both])) == pytest.approx(
        float(seeing(debug.model, [tokens[:1]], [alone])), rel=1e-6
    )


@torch.no_grad()
def test_weights_say_how_much_each_counts(debug):
    tokens = visual(debug, 2)
    one, other = labels([[[5]]]), labels([[[7]]])
    apart = [
        float(seeing(debug.model, [tokens[i : i + 1]], [each]))
        for i, each in enumerate((one, other))
    ]
    weighed = seeing(debug.model, [tokens], [labels([[[5]], [[7]]], [[3.0], [1.0]])])
    assert float(weighed) == pytest.approx((3 * apart[0] + apart[1]) / 4, rel=1e-5)


@torch.no_grad()
def test_each_letter_is_read_through_a_rotation_of_its_own(debug):
    tokens = visual(debug, 1)
    losses = {
        float(seeing(debug.model, [tokens], [labels([[[IGNORED]] * slot + [[5]]])]))
        for slot in range(3)
    }
    assert len(losses) == 3


@torch.no_grad()
def test_edges_are_distances_in_cells_along_fixed_directions(debug):
    nothing = labels([[[IGNORED]]])
    edges = torch.tensor([[-1.0, 0.5, 2.0, -0.25]])
    tokens = torch.zeros(1, debug.model.config.language.dim)
    found = seeing(debug.model, [tokens], [replace(nothing, edges=edges)])
    assert float(found) == pytest.approx(EDGE_WEIGHT * (1 + 0.5 + 2 + 0.25) / 4)


def test_tokens_learn_to_say_what_they_are_told(debug):
    tokens = visual(debug, 3).requires_grad_()
    told = labels([[[5, 6], [9, IGNORED]], [[7, 8], [IGNORED] * 2], [[1, IGNORED]] * 2])
    told = replace(told, edges=torch.tensor([[0.1, 0.2, 0.3, 0.4], [math.nan] * 4, [0.0] * 4]))
    optimizer = torch.optim.Adam([tokens], lr=0.05)
    for _ in range(600):
        optimizer.zero_grad()
        loss = seeing(
            debug.model,
            [tokens[:2], tokens[2:]],
            [
                replace(told, words=told.words[:2], weights=told.weights[:2], edges=told.edges[:2]),
                replace(told, words=told.words[2:], weights=told.weights[2:], edges=told.edges[2:]),
            ],
        )
        loss.backward()
        optimizer.step()
    # What two words share cannot fall below ln 2; of the five slots two have two words.
    assert float(loss.detach()) < 2 / 5 * math.log(2) + 0.25


def test_labels_for_another_size_are_refused(debug):
    with pytest.raises(
        TrainingError, match="1 visual tokens are described but the pictures have 2"
    ):
        seeing(debug.model, [visual(debug, 2)], [labels([[[5]]])])


def test_described_tokens_are_counted(debug):
    from tests.laws.debug_models import QUESTIONS

    inputs = debug.processor.collate([debug.prompt(QUESTIONS[0])])
    assert num_described(inputs) == 0
    assert num_described(replace(inputs, visual_labels=(labels([[[5]], [[6]]]),))) == 2
