"""Visual tokens in their slots, and nowhere else."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import answered, picture, subject

from triptych.errors import ShapeError
from triptych.fusion.splice import SpliceConfig, splice
from triptych.inputs import ImageSpan
from triptych.processor import ask_about


def span(row: int, start: int, num_slots: int, sample_id: str = "") -> ImageSpan:
    return ImageSpan(
        batch_index=row, start=start, num_slots=num_slots, token_grid=None, sample_id=sample_id
    )


def test_each_picture_stands_in_its_own_slots():
    text = torch.arange(10.0).reshape(2, 5, 1)
    visual = [torch.tensor([[-1.0], [-2.0]]), torch.tensor([[-3.0]]), torch.tensor([[-4.0]] * 2)]
    spans = [span(1, 0, 2), span(1, 4, 1), span(0, 2, 2)]

    assert splice(text, visual, spans)[..., 0].tolist() == [
        [0, 1, -4, -4, 4],
        [-1, -2, 7, 8, -3],
    ]


def test_the_embeddings_given_stay_as_they_were():
    text = torch.zeros(1, 3, 2)
    splice(text, [torch.ones(1, 2)], [span(0, 1, 1)])
    assert not text.any()


def test_without_pictures_nothing_happens():
    text = torch.randn(2, 3, 4)
    assert torch.equal(splice(text, [], []), text)


def test_gradients_reach_the_visual_tokens_and_not_the_embeddings_they_replace():
    text = torch.zeros(1, 3, 2, requires_grad=True)
    visual = torch.zeros(1, 2, requires_grad=True)
    splice(text, [visual], [span(0, 1, 1)]).sum().backward()
    assert visual.grad is not None and visual.grad.tolist() == [[1, 1]]
    assert text.grad is not None and text.grad.tolist() == [[[1, 1], [0, 0], [1, 1]]]


def test_a_wrong_number_of_tokens_is_refused_with_both_counts_the_sample_and_the_cure():
    visual = [torch.zeros(2, 4), torch.zeros(3, 4)]
    spans = [span(0, 0, 2), span(0, 2, 5, "beach.jpg")]
    message = "sample beach.jpg.*position 2 became 3 visual tokens.*reserves 5; .*own processor"
    with pytest.raises(ShapeError, match=message):
        splice(torch.zeros(1, 8, 4), visual, spans)


def test_a_wrong_number_of_pictures_is_refused_with_both_counts_and_the_cure():
    with pytest.raises(ShapeError, match=r"2 pictures were encoded.* room for 1; give the"):
        splice(torch.zeros(1, 8, 4), [torch.zeros(2, 4)] * 2, [span(0, 0, 2)])


def test_a_model_refuses_inputs_made_for_another():
    debug = subject("llava_1_5_debug")
    sample = debug.processor.encode(answered(ask_about([picture(0)]), "hi"), sample_id="7")
    inputs = debug.processor.collate([sample])
    short = replace(inputs.spans[0], num_slots=inputs.spans[0].num_slots - 1)
    with pytest.raises(ShapeError, match=r"sample 7.* became 16 .* reserves 15"):
        debug.model(replace(inputs, spans=(short,)))


def test_a_picture_takes_one_slot_a_visual_token():
    assert SpliceConfig().num_slots(576) == 576


def test_widths_that_differ_are_refused():
    with pytest.raises(ShapeError, match=r"768 wide .* reads 960; let the connector project"):
        SpliceConfig().build(num_layers=1, language_dim=960, visual_dim=768)
