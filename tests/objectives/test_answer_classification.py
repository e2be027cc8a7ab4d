"""Answers as classes: how right each is, what the loss is, and that a head learns by it."""

import math

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, build_subject

from triptych.errors import DataError, ShapeError
from triptych.objectives.answer_classification import (
    AnswerHead,
    answer_classification,
    score_targets,
    soft_scores,
)


@pytest.mark.parametrize(("count", "score"), [(1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_scores_are_those_of_the_data_sets_own_evaluation(count, score):
    answers = ["red"] * count + [f"other {index}" for index in range(10 - count)]
    assert soft_scores(answers)["red"] == pytest.approx(score)


def test_one_answer_alone_is_right():
    assert soft_scores(["yes"]) == {"yes": 1.0}


def test_a_question_without_answers_is_refused():
    with pytest.raises(DataError, match="nobody answered"):
        soft_scores([])


def test_targets_are_the_scores_of_known_answers():
    found = score_targets([{"red": 1.0, "pink": 0.3}, {}], ["blue", "red"])
    assert found.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_every_answer_is_judged_alone():
    logits = torch.tensor([[2.0, -1.0]])
    right, wrong = math.log(1 + math.exp(-2.0)), math.log(1 + math.exp(2.0))
    other = math.log(1 + math.exp(-1.0))
    expected = 0.6 * right + 0.4 * wrong + other
    found = answer_classification(logits, torch.tensor([[0.6, 0.0]]))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_the_gradient_is_how_far_the_probability_is_off():
    logits = torch.tensor([[2.0, -1.0]], requires_grad=True)
    answer_classification(logits, torch.tensor([[0.6, 0.3]])).backward()
    expected = torch.sigmoid(logits.detach()) - torch.tensor([[0.6, 0.3]])
    torch.testing.assert_close(logits.grad, expected)


def test_scores_of_other_answers_are_refused():
    with pytest.raises(ShapeError, match=r"\(1, 2\) .* \(1, 3\)"):
        answer_classification(torch.zeros(1, 2), torch.zeros(1, 3))


def test_a_head_learns_from_the_last_token_of_each_question():
    debug = build_subject("llava_1_5_debug")
    debug.model.requires_grad_(False)
    inputs = debug.processor.collate([debug.prompt(QUESTIONS[i]) for i in (0, 1, 2)])
    scores = score_targets([{"a": 1.0}, {"b": 0.6, "a": 0.3}, {"b": 1.0}], ["a", "b"])
    torch.manual_seed(0)
    head = AnswerHead(debug.model.config.language.dim, 2)
    alone = head(debug.model, debug.processor.collate([debug.prompt(QUESTIONS[1])]))
    torch.testing.assert_close(head(debug.model, inputs)[1:2], alone, rtol=1e-4, atol=1e-4)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    history = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = answer_classification(head(debug.model, inputs), scores)
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    floor = -sum(p * math.log(p) + (1 - p) * math.log(1 - p) for p in (0.6, 0.3))
    assert history[-1] < floor + 0.3 < history[0]
