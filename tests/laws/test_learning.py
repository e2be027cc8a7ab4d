"""What every architecture promises of its loss and its gradients."""

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

from triptych.fusion.vlm import PANELS
from triptych.objectives.language_modelling import language_modelling
from triptych.processor import Message, Sample, ask_about

ANSWERS = ("a red circle", "blue square", "there is a green triangle above a white cross")


@pytest.fixture(params=DEBUG_NAMES)
def debug(request):
    return subject(request.param)


# Whose conversations may share a beginning: all but those that read a prompt both ways.
SHARING = [name for name in DEBUG_NAMES if name != "paligemma_debug"]


@pytest.fixture(params=SHARING)
def sharing(request):
    return subject(request.param)


def loss(debug: Subject, *samples: Sample):
    return language_modelling(debug.model, debug.processor.collate(samples))


def gradients(debug: Subject, *batches: list[Sample]) -> dict[str, torch.Tensor]:
    """Gradients of the mean loss a token, accumulated over the batches."""
    debug.model.zero_grad()
    losses = [language_modelling(debug.model, debug.processor.collate(batch)) for batch in batches]
    num_tokens = sum(each.num_tokens for each in losses)
    for each in losses:
        (each.total / num_tokens).backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in debug.model.named_parameters()
        if parameter.grad is not None
    }


def worst(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
    """The largest difference, where a gradient exceeds 1 in parts of its largest number."""
    assert first.keys() == second.keys()
    return max(
        float((first[name] - second[name]).abs().max() / second[name].abs().max().clamp(min=1))
        for name in first
    )


def conversations(*pictures: object) -> list[list[Message]]:
    """Different questions about the same pictures, one of them with a second turn."""
    first = answered(ask_about(pictures, "what is it?"), ANSWERS[0])
    return [
        first,
        answered(ask_about(pictures, "what is to the left of it?"), ANSWERS[1]),
        answered([*first, *ask_about([], "is there a cross?")], ANSWERS[2]),
        answered(ask_about(pictures, "hi"), "hello"),
    ]


@pytest.mark.parametrize("question", QUESTIONS, ids=["one", "tall", "text only", "two"])
def test_answers_that_share_a_prompt_have_the_loss_of_separate_sequences(debug, question):
    shared = loss(debug, debug.processor.encode_answers(question, ANSWERS))
    separate = [
        loss(debug, debug.processor.encode(answered(question, answer))) for answer in ANSWERS
    ]
    assert shared.num_tokens == sum(each.num_tokens for each in separate)
    assert shared.nll == pytest.approx(sum(each.nll for each in separate), rel=1e-5)


def test_answers_share_prompts_in_a_batch_too(debug):
    encode = debug.processor.encode_answers
    samples = [
        encode(QUESTIONS[0], ANSWERS),
        encode(QUESTIONS[3], ANSWERS[:1]),
        debug.processor.encode(answered(QUESTIONS[2], ANSWERS[1])),
    ]
    alone = [loss(debug, sample) for sample in samples]
    together = loss(debug, *samples)
    assert together.num_tokens == sum(each.num_tokens for each in alone)
    assert together.nll == pytest.approx(sum(each.nll for each in alone), rel=1e-5)


def test_answers_that_share_a_prompt_teach_what_separate_sequences_teach(debug):
    separate = [debug.processor.encode(answered(QUESTIONS[0], answer)) for answer in ANSWERS]
    shared = [debug.processor.encode_answers(QUESTIONS[0], ANSWERS)]
    assert worst(gradients(debug, shared), gradients(debug, separate)) <= 4e-6


@pytest.mark.parametrize(
    "pictures", [(), (picture(0),), (picture(2, 32, 32), picture(3, 50, 90))], ids=len
)
def test_conversations_that_share_pictures_have_the_loss_of_separate_sequences(sharing, pictures):
    talks = conversations(*pictures)
    row = sharing.processor.encode_conversations(talks)
    separate = [sharing.processor.encode(each) for each in talks]
    if pictures:
        assert len(row.token_ids) < sum(len(each.token_ids) for each in separate)
    shared, alone = loss(sharing, row), [loss(sharing, each) for each in separate]
    assert shared.num_tokens == sum(each.num_tokens for each in alone)
    assert shared.nll == pytest.approx(sum(each.nll for each in alone), rel=1e-5)


def test_conversations_share_pictures_in_a_batch_too(sharing):
    samples = [
        sharing.processor.encode_conversations(conversations(picture(0))),
        sharing.processor.encode(answered(QUESTIONS[2], ANSWERS[1])),
        sharing.processor.encode_conversations(conversations(picture(1, 64, 48))[:2]),
    ]
    alone = [loss(sharing, sample) for sample in samples]
    assert loss(sharing, *samples).nll == pytest.approx(sum(each.nll for each in alone), rel=1e-5)


def test_conversations_that_share_pictures_teach_what_separate_sequences_teach(sharing):
    talks = conversations(picture(0))
    separate = [sharing.processor.encode(each) for each in talks]
    shared = [sharing.processor.encode_conversations(talks)]
    # Measured worst case on a CPU: 1.5e-6.
    assert worst(gradients(sharing, shared), gradients(sharing, separate)) <= 4e-6


@pytest.fixture
def one_thread():
    """Sums in one order: with several threads the last digit is a matter of who comes first."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_four_batches_of_one_teach_what_one_batch_of_four_teaches(debug):
    samples = [
        debug.processor.encode(answered(question, answer))
        for question, answer in zip(QUESTIONS, (*ANSWERS, "hi"), strict=True)
    ]
    whole = gradients(debug, samples)
    parts = gradients(debug, *([sample] for sample in samples))
    assert max(float(each.abs().max()) for each in whole.values()) > 1e-2
    assert worst(whole, parts) <= 1e-6


def test_every_parameter_belongs_to_one_panel_and_learns(debug):
    found = gradients(debug, [debug.processor.encode(answered(QUESTIONS[0], ANSWERS[0]))])
    names = {name for name, _ in debug.model.named_parameters()}
    assert names - set(found) == set()
    assert {name.partition(".")[0] for name in names} <= set(PANELS)
    panels = {"vision", "connector", "language"}
    for panel in panels:
        total = sum(
            float(each.abs().sum()) for name, each in found.items() if name.startswith(panel)
        )
        assert total > 1e-3, panel


def test_no_label_is_no_loss(debug):
    nothing = loss(debug, debug.prompt(QUESTIONS[0]))
    assert (nothing.num_tokens, nothing.nll) == (0, 0.0)
