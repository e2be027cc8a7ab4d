"""What every architecture promises of samples that share a row: none sees another."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import (
    DEBUG_NAMES,
    QUESTIONS,
    Subject,
    answered,
    picture,
    subject,
)

from triptych.errors import ShapeError
from triptych.inputs import IGNORED, ModelInputs
from triptych.objectives.language_modelling import language_modelling
from triptych.processor import Sample, ask_about

ANSWERS = ("a red circle", "blue square", "there is a green triangle above a white cross")


@pytest.fixture(params=DEBUG_NAMES)
def debug(request):
    return subject(request.param)


def samples(debug: Subject) -> list[Sample]:
    """Of unequal lengths: one picture, none, two pictures, and answers in branches."""
    encode = debug.processor.encode
    return [
        encode(answered(QUESTIONS[0], ANSWERS[0])),
        encode(answered(QUESTIONS[2], ANSWERS[1])),
        encode(answered(QUESTIONS[3], ANSWERS[2])),
        debug.processor.encode_answers(QUESTIONS[1], ANSWERS),
    ]


def rows(debug: Subject) -> list[list[Sample]]:
    """What has no picture stands behind what has one."""
    *others, last = samples(debug)
    return [others, [last]]


def gradients(debug: Subject, total: torch.Tensor) -> dict[str, torch.Tensor]:
    found = torch.autograd.grad(total, list(debug.model.parameters()), allow_unused=True)
    names = (name for name, _ in debug.model.named_parameters())
    return {name: each for name, each in zip(names, found, strict=True) if each is not None}


def read(debug: Subject, inputs: ModelInputs) -> torch.Tensor:
    return debug.model(inputs)


def only(inputs: ModelInputs, keep: torch.Tensor) -> ModelInputs:
    """The same inputs with labels in some places alone."""
    assert inputs.labels is not None
    return replace(inputs, labels=inputs.labels.masked_fill(~keep, IGNORED))


def changed_samples(debug: Subject, sample: Sample) -> dict[str, Sample]:
    """A sample with another word, and with another picture; no token more or less."""
    token_ids, labels = list(sample.token_ids), list(sample.labels)
    token_ids[-3] = labels[-3] = token_ids[-3] + 1
    other = debug.processor.encode(answered(ask_about([picture(9)], "what is it?"), ANSWERS[0]))
    return {"word": replace(sample, token_ids=token_ids, labels=labels), "picture": other}


def test_samples_in_one_row_have_the_loss_of_as_many_rows(debug):
    packed = language_modelling(debug.model, debug.processor.pack(rows(debug)))
    padded = language_modelling(debug.model, debug.processor.collate(samples(debug)))
    assert packed.num_tokens == padded.num_tokens
    # A sum of a hundred float32 terms keeps six digits.
    assert packed.nll == pytest.approx(padded.nll, rel=1e-6)


def test_samples_in_one_row_teach_what_as_many_rows_teach(debug):
    found = [
        gradients(debug, (loss := language_modelling(debug.model, inputs)).total / loss.num_tokens)
        for inputs in (debug.processor.pack(rows(debug)), debug.processor.collate(samples(debug)))
    ]
    assert found[0].keys() == found[1].keys()
    assert max(float(each.abs().max()) for each in found[0].values()) > 1e-2
    for name, each in found[0].items():
        difference = float((each - found[1][name]).abs().max())
        # In parts of the largest number, where that exceeds 1.
        assert difference <= 1e-6 * float(found[1][name].abs().max().clamp(min=1)), name


@pytest.mark.parametrize("change", ["word", "picture"])
def test_changing_a_document_leaves_the_others_as_they_were_to_the_last_bit(debug, change):
    first, *others = samples(debug)
    other = changed_samples(debug, first)[change]
    assert len(other.token_ids) == len(first.token_ids) and first.labels[-3] != IGNORED
    before, after = (
        debug.processor.pack([[others[1], each, others[0], others[2]]]) for each in (first, other)
    )
    assert before.documents is not None
    is_other = before.documents != 1
    logits = [read(debug, inputs) for inputs in (before, after)]
    assert torch.equal(logits[0][is_other], logits[1][is_other])
    assert not torch.equal(logits[0][~is_other], logits[1][~is_other])
    found = [
        gradients(debug, language_modelling(debug.model, only(each, is_other)).total)
        for each in (before, after)
    ]
    assert found[0].keys() == found[1].keys()
    for name, each in found[0].items():
        assert torch.equal(each, found[1][name]), name


def test_what_a_document_learns_does_not_reach_the_pictures_of_another(debug):
    first, second, third, _ = samples(debug)
    inputs = debug.processor.pack([[first, second, third]])
    assert inputs.documents is not None
    images = tuple(image.clone().requires_grad_() for image in inputs.images)
    lone = only(replace(inputs, images=images), inputs.documents != 0)
    language_modelling(debug.model, lone).total.backward()
    reached = [image.grad is not None and bool(image.grad.any()) for image in images]
    assert reached == [False, True, True]
    debug.model.zero_grad()


def test_rows_of_several_samples_are_not_generated_from(debug):
    inputs = debug.processor.pack(rows(debug))
    cache = debug.model.language.allocate_cache(2, inputs.token_ids.shape[1])
    with pytest.raises(ShapeError, match="collate one sample a row"):
        debug.model.read(inputs, cache)
