"""Preferences: likelihoods of two answers, the loss of their margin, and that a model follows."""

import copy
import math

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, build_subject, subject

from triptych.errors import ConfigError, ShapeError, TrainingError
from triptych.objectives.language_modelling import language_modelling
from triptych.objectives.preferences import (
    PreferenceConfig,
    answer_likelihoods,
    preferences,
    reference_likelihoods,
)

PAIRS = [(QUESTIONS[0], ["a red circle", "no"]), (QUESTIONS[2], ["yes", "a blue square"])]


def samples(debug):
    return [debug.processor.encode_answers(*pair) for pair in PAIRS]


@pytest.fixture(scope="module")
def debug():
    return subject("qwen2_vl_debug")


@pytest.mark.parametrize("name", ["qwen2_vl_debug", "paligemma_debug", "flamingo_debug"])
@torch.no_grad()
def test_answers_are_as_likely_as_each_alone_behind_its_prompt(name):
    debug = subject(name)
    found = answer_likelihoods(debug.model, debug.processor.collate(samples(debug)))
    for pair, (question, answers) in enumerate(PAIRS):
        for place, answer in enumerate(answers):
            alone = debug.processor.collate([debug.processor.encode(answered(question, answer))])
            loss = language_modelling(debug.model, alone)
            assert float(found.log_p[pair, place]) == pytest.approx(-loss.nll, rel=1e-5)
            assert int(found.num_tokens[pair, place]) == loss.num_tokens


@torch.no_grad()
def test_pairs_may_share_a_row(debug):
    apart = answer_likelihoods(debug.model, debug.processor.collate(samples(debug)))
    first, second = samples(debug)
    packed = answer_likelihoods(debug.model, debug.processor.pack([[second], [first, second]]))
    expected = apart.log_p[[1, 0, 1]]
    torch.testing.assert_close(packed.log_p, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(packed.num_tokens, apart.num_tokens[[1, 0, 1]])


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@torch.no_grad()
def test_the_loss_is_that_of_the_margin_over_the_reference(debug, by_length, smoothing):
    inputs = debug.processor.collate(samples(debug))
    own = answer_likelihoods(debug.model, inputs)
    reference = own.log_p - torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    config = PreferenceConfig(strength=0.3, by_length=by_length, label_smoothing=smoothing)
    found = preferences(debug.model, inputs, reference, config)
    sizes = own.num_tokens.tolist() if by_length else [[1, 1], [1, 1]]
    margins = [
        0.3 * (2.0 / sizes[0][0] + 1.0 / sizes[0][1]),
        0.3 * (0.5 / sizes[1][0] - 3.0 / sizes[1][1]),
    ]
    expected = sum((1 - smoothing) * softplus(-m) + smoothing * softplus(m) for m in margins)
    # Log-probabilities of hundreds of nats keep five digits behind the point.
    assert float(found.total) == pytest.approx(expected, rel=1e-4)
    assert (found.num_preferred, found.num_pairs) == (sum(m > 0 for m in margins), 2)


def test_the_gradient_of_a_fresh_copy_pushes_both_answers_alike(debug):
    inputs = debug.processor.collate(samples(debug)[:1])
    reference = reference_likelihoods(debug.model, inputs)
    config = PreferenceConfig(strength=0.5)
    parameters = list(debug.model.language.parameters())
    loss = preferences(debug.model, inputs, reference, config).total
    assert float(loss.detach()) == pytest.approx(math.log(2), rel=1e-5)
    log_p = answer_likelihoods(debug.model, inputs).log_p[0]
    # At a margin of zero the slope of -log sigmoid is one half.
    expected = torch.autograd.grad(-0.25 * (log_p[0] - log_p[1]), parameters)
    for own, theirs in zip(torch.autograd.grad(loss, parameters), expected, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-5)


def test_a_model_learns_to_prefer_what_it_is_told():
    debug = build_subject("qwen2_vl_debug")
    inputs = debug.processor.collate(samples(debug))
    reference = reference_likelihoods(copy.deepcopy(debug.model), inputs)
    optimizer = torch.optim.SGD(debug.model.language.parameters(), lr=1e-2)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        found = preferences(debug.model, inputs, reference, PreferenceConfig())
        found.total.backward()
        optimizer.step()
        losses.append(float(found.total.detach()) / found.num_pairs)
    assert losses[0] == pytest.approx(math.log(2), rel=1e-5)
    assert losses[-1] < 0.8 * math.log(2)
    assert found.num_preferred == 2


def test_a_sample_that_is_no_pair_is_refused(debug):
    pair = samples(debug)[0]
    lone = debug.processor.encode_answers(QUESTIONS[2], ["yes"])
    three = debug.processor.encode_answers(QUESTIONS[2], ["yes", "no", "hi"])
    plain = debug.processor.encode(answered(QUESTIONS[2], "yes"))
    for other in (lone, three, plain):
        with pytest.raises(TrainingError, match="sample 1 of the batch is no pair"):
            answer_likelihoods(debug.model, debug.processor.collate([pair, other]))


def test_a_reference_of_other_pairs_is_refused(debug):
    inputs = debug.processor.collate(samples(debug))
    with pytest.raises(ShapeError, match="judged 1 pairs but the batch has 2"):
        preferences(debug.model, inputs, torch.zeros(1, 2), PreferenceConfig())


def test_a_strength_of_zero_is_refused():
    with pytest.raises(ConfigError, match="strength must be above 0"):
        PreferenceConfig(strength=0.0)
