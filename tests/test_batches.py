"""Samples in one batch: where each of them stands, and what belongs to it."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, picture, subject

from triptych.errors import TokenError
from triptych.fusion.gated import image_counts
from triptych.inputs import IGNORED
from triptych.objectives.language_modelling import labelled_positions, predecessors
from triptych.processor import ask_about


@pytest.fixture(scope="module")
def debug():
    return subject("qwen2_vl_debug")


@pytest.fixture(scope="module")
def samples(debug):
    encode = debug.processor.encode
    return [
        encode(answered(QUESTIONS[0], "yes"), sample_id="first"),
        debug.processor.encode_answers(QUESTIONS[3], ["no", "yes"], sample_id="second"),
        encode(answered(QUESTIONS[2], "a square"), sample_id="third"),
    ]


def test_samples_stand_in_a_row_one_after_the_other(debug, samples):
    inputs = debug.processor.pack([samples[:2], samples[2:]])
    first, second, third = (len(sample.token_ids) for sample in samples)
    assert inputs.token_ids.shape == (2, first + second)
    assert inputs.token_ids[0].tolist() == samples[0].token_ids + samples[1].token_ids
    assert inputs.documents[0].tolist() == [0] * first + [1] * second
    assert inputs.documents[1].tolist() == [0] * third + [-1] * (first + second - third)
    assert inputs.token_mask.sum(dim=1).tolist() == [first + second, third]


def test_each_keeps_the_three_positions_of_its_tokens(debug, samples):
    inputs = debug.processor.pack([samples[:2]])
    expected = torch.cat([sample.position_ids for sample in samples[:2]], dim=-1)
    assert expected.shape[0] == 3
    assert torch.equal(inputs.position_ids[:, 0], expected)


def test_pictures_stand_where_their_slots_are(debug, samples):
    inputs = debug.processor.pack([samples[2:], samples[:2]])
    slots = (inputs.token_ids == debug.processor.image_id).nonzero().tolist()
    found = [[span.batch_index, at] for span in inputs.spans for at in span.positions]
    assert found == slots
    assert [span.sample_id for span in inputs.spans] == ["first", "second", "second"]


def test_no_label_is_predicted_across_a_border(debug, samples):
    greedy = replace(samples[0], labels=list(samples[0].token_ids))
    inputs = debug.processor.pack([[samples[1], greedy, greedy]])
    rows, positions = labelled_positions(inputs)
    sources = predecessors(inputs)[rows, positions]
    assert torch.equal(inputs.documents[rows, positions], inputs.documents[rows, sources])
    assert bool((sources < positions).all())
    length = len(greedy.token_ids)
    assert len(positions) == len(
        labelled_positions(debug.processor.pack([[samples[1]]]))[0]
    ) + 2 * (length - 1)


def test_both_answers_of_a_later_document_are_predicted_from_its_own_prompt(debug, samples):
    inputs = debug.processor.pack([samples[:2]])
    start, prompt = len(samples[0].token_ids), samples[1].branches.count(0)
    firsts = [start + samples[1].branches.index(branch) for branch in (1, 2)]
    assert predecessors(inputs)[0, firsts].tolist() == [start + prompt - 1] * 2


def test_weights_and_padding_of_samples_that_have_none(debug, samples):
    weighed = replace(samples[0], weights=[0.5] * len(samples[0].token_ids))
    inputs = debug.processor.pack([[weighed, samples[2]], [samples[2]]])
    assert inputs.weights[0].tolist() == [0.5] * len(weighed.token_ids) + [1.0] * len(
        samples[2].token_ids
    )
    assert inputs.weights[1].sum() == len(samples[2].token_ids)
    assert (inputs.labels[1, len(samples[2].token_ids) :] == IGNORED).all()


def test_an_empty_row_is_refused(debug, samples):
    with pytest.raises(TokenError, match="row 1 of the batch holds no sample"):
        debug.processor.pack([samples, []])


def test_pictures_are_counted_over_the_row_but_not_seen_before_a_documents_own():
    debug = subject("flamingo_debug")
    text, one = ask_about([], "hi"), ask_about([picture(0)], "hi")
    late = [*answered(text, "yes"), *one]
    samples = [debug.processor.encode(answered(each, "no")) for each in (one, text, late)]
    inputs = debug.processor.pack([samples])
    counts, documents = image_counts(inputs)[0], inputs.documents[0]
    markers = [span.start for span in inputs.spans]
    assert counts[: markers[0]].sum() == 0
    assert set(counts[markers[0] : len(samples[0].token_ids)].tolist()) == {1}
    assert counts[documents == 1].sum() == 0
    assert counts[documents == 2][: -len(inputs.token_ids[0]) + markers[1]].sum() == 0
    assert set(counts[markers[1] :].tolist()) == {2}
