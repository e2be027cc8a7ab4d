"""The model as a whole: which mask it needs, and how pictures of many sizes are encoded."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import QUESTIONS, answered, picture, subject

from triptych.fusion.masks import attention_mask
from triptych.inputs import ModelInputs
from triptych.processor import ask_about


def inputs(token_mask: list[list[int]], branches: list[list[int]] | None = None) -> ModelInputs:
    mask = torch.tensor(token_mask).bool()
    ids = torch.zeros(mask.shape, dtype=torch.long)
    rows = None if branches is None else torch.tensor(branches)
    return ModelInputs(token_ids=ids, token_mask=mask, position_ids=ids, branches=rows)


def test_padding_on_the_right_needs_no_mask():
    assert attention_mask(inputs([[1, 1, 1], [1, 0, 0]])) is None


def test_padding_on_the_left_is_seen_by_no_token():
    mask = attention_mask(inputs([[1, 1, 1], [0, 1, 1]]))
    assert mask is not None
    assert mask[:, 0].int().tolist() == [
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
        [[0, 0, 0], [0, 1, 0], [0, 1, 1]],
    ]


def test_branches_see_the_shared_beginning_and_themselves():
    mask = attention_mask(inputs([[1, 1, 1, 1, 0]], branches=[[0, 1, 1, 2, -1]]))
    assert mask is not None
    assert mask[0, 0, :4].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 0, 0, 1, 0],
    ]


@pytest.mark.parametrize("name", ["qwen2_vl_debug", "llava_1_5_debug", "flamingo_debug"])
def test_pictures_encoded_together_are_those_encoded_alone(name):
    debug = subject(name)
    samples = [debug.prompt(ask_about([picture(n, h, w)])) for n, (h, w) in enumerate(SIZES)]
    with torch.no_grad():
        together = debug.model.encode(debug.processor.collate(samples))
        alone = [debug.model.encode(debug.processor.collate([each]))[0] for each in samples]
    for ours, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


SIZES = ((32, 48), (64, 32), (32, 48), (48, 32))
"""Two sizes are alike, and two have equally many patches in another shape."""


@pytest.mark.parametrize(
    "name", ["llava_1_5_debug", "llava_next_debug", "qwen2_vl_debug", "minivlm_debug"]
)
def test_frozen_features_in_place_of_pixels_say_the_same(name):
    debug = subject(name)
    sample = debug.processor.encode(answered(QUESTIONS[0], "a circle"))
    [image] = sample.images
    with torch.no_grad():
        pixels = image.pixels[None] if image.tiles is None else image.pixels
        rows = debug.model.vision(pixels).as_rows()
        rows = rows[0] if image.tiles is None else rows
        cached = replace(image, pixels=rows, is_features=True)
        again = debug.processor.encode(answered(QUESTIONS[0], "a circle"), features=[cached])
        batches = [debug.processor.collate([each]) for each in (sample, again)]
        assert [batch.images_are_features for batch in batches] == [False, True]
        torch.testing.assert_close(*(debug.model(batch) for batch in batches))


COUNTED = ("qwen2_vl_debug", "llava_1_5_debug", "llava_next_debug", "minivlm_debug", "blip2_debug")


def test_a_config_counts_what_the_model_makes():
    for name in COUNTED:
        debug = subject(name)
        prompt = debug.prompt(ask_about([picture(0)]))
        [image] = prompt.images
        with torch.no_grad():
            [tokens] = debug.model.encode(debug.processor.collate([prompt]))
        size = image.height, image.width
        assert len(tokens) == debug.model.config.num_visual_tokens(*size, image.tiles)
