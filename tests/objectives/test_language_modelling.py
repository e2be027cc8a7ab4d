"""The loss on answers: which tokens count, from where they are predicted, and how much."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, subject
from torch.nn import functional

from triptych.inputs import IGNORED, ModelInputs
from triptych.objectives.language_modelling import (
    labelled_positions,
    language_modelling,
    predecessors,
)


@pytest.fixture(scope="module")
def debug():
    return subject("llava_1_5_debug")


def sequences(branches: list[list[int]] | None, num_tokens: int = 8) -> ModelInputs:
    rows = 1 if branches is None else len(branches)
    ids = torch.zeros(rows, num_tokens, dtype=torch.long)
    return ModelInputs(
        token_ids=ids,
        token_mask=ids == 0,
        position_ids=ids,
        branches=None if branches is None else torch.tensor(branches),
    )


def test_a_token_is_predicted_from_the_one_before_it():
    assert predecessors(sequences(None, 4))[0, 1:].tolist() == [0, 1, 2]


def test_the_first_token_of_every_answer_is_predicted_from_the_prompts_last():
    inputs = sequences([[0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 3, -1, -1, -1, -1]])
    found = predecessors(inputs)
    assert found[0, 1:].tolist() == [0, 1, 2, 3, 2, 5, 6]
    assert found[1, 1:4].tolist() == [0, 0, 0]


def test_the_loss_is_the_cross_entropy_of_the_shifted_labels(debug):
    samples = [
        debug.processor.encode(answered(QUESTIONS[0], "a red circle")),
        debug.processor.encode(answered(QUESTIONS[1], "no")),
    ]
    inputs = debug.processor.collate(samples)
    logits = debug.model(inputs)
    expected = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        inputs.labels[:, 1:].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
    found = language_modelling(debug.model, inputs)
    assert float(found.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert found.nll == pytest.approx(float(expected.detach()), rel=1e-5)
    assert found.num_tokens == int((inputs.labels != IGNORED).sum())


def test_smoothing_changes_what_is_learned_and_not_what_is_reported(debug):
    inputs = debug.processor.collate([debug.processor.encode(answered(QUESTIONS[0], "yes"))])
    plain = language_modelling(debug.model, inputs)
    smooth = language_modelling(debug.model, inputs, label_smoothing=0.1)
    rows, positions = labelled_positions(inputs)
    with torch.no_grad():
        log_probabilities = debug.model(inputs)[rows, positions - 1].log_softmax(dim=-1)
    uniform = -log_probabilities.mean(dim=-1).sum()
    assert smooth.nll == pytest.approx(plain.nll, rel=1e-5)
    expected = 0.9 * plain.nll + 0.1 * float(uniform)
    assert float(smooth.total.detach()) == pytest.approx(expected, rel=1e-5)


def test_padding_on_either_side_is_no_part_of_the_loss(debug):
    samples = [debug.processor.encode(answered(each, "yes")) for each in QUESTIONS[:3]]
    losses = [
        language_modelling(debug.model, debug.processor.collate(samples, pad=pad))
        for pad in ("left", "right")
    ]
    assert losses[0].nll == pytest.approx(losses[1].nll, rel=1e-5)
    assert losses[0].num_tokens == losses[1].num_tokens


def test_inputs_without_labels_have_no_loss(debug):
    inputs = debug.processor.collate([debug.prompt(QUESTIONS[2])])
    found = language_modelling(debug.model, replace(inputs, labels=None))
    assert (found.num_tokens, found.nll) == (0, 0.0)
