"""Captions through a Q-Former: what a word may see, and what the loss is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.laws.debug_scorers import TEXTS, scorer
from torch.nn import functional
from torch.nn.functional import gelu

from triptych.errors import ConfigError
from triptych.fusion.matching import Matcher
from triptych.objectives.captioning import captioning, num_words

FIRST = 7
"""Stands for the token that begins captions."""


@pytest.fixture(scope="module")
def model() -> Matcher:
    config = replace(scorer("blip2_itm_debug").architecture.model, pretraining=True)
    torch.manual_seed(0)
    model = config.build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return model


@pytest.fixture(scope="module")
def inputs():
    pictures = [np.full((30, 30, 3), 80 * index, np.uint8) for index in range(3)]
    return scorer("blip2_itm_debug").processor.encode(pictures, TEXTS)


@torch.no_grad()
def test_a_word_sees_those_before_it_and_none_after(model, inputs):
    features = model.vision(inputs.pixels)
    before = model.read_captions(features, inputs.token_ids, inputs.token_mask)
    changed = inputs.token_ids.clone()
    changed[:, 2] += 1
    after = model.read_captions(features, changed, inputs.token_mask)
    torch.testing.assert_close(before[:, :2], after[:, :2], rtol=0, atol=1e-6)
    assert (before[:, 2:] - after[:, 2:]).abs().max() > 1e-3


@torch.no_grad()
def test_a_word_sees_the_picture_through_the_queries(model, inputs):
    features = model.vision(inputs.pixels)
    other = model.vision(inputs.pixels.flip(0))
    before = model.read_captions(features, inputs.token_ids, inputs.token_mask)
    after = model.read_captions(other, inputs.token_ids, inputs.token_mask)
    assert (before[0] - after[0]).abs().max() > 1e-3
    torch.testing.assert_close(before[1], after[1], rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_loss_is_that_of_every_word_but_the_first(model, inputs):
    features = model.vision(inputs.pixels)
    found = captioning(model, features, inputs, begin_id=FIRST)
    token_ids = inputs.token_ids.clone()
    token_ids[:, 0] = FIRST
    hidden = model.read_captions(features, token_ids, inputs.token_mask)
    head, words = model.fusion.word_head, model.connector.text_embedding.word
    states = head.norm(gelu(head.dense(hidden)))
    logits = functional.linear(states, words.weight, head.bias)[:, :-1]
    targets = token_ids[:, 1:].masked_fill(~inputs.token_mask[:, 1:], -100)
    expected = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    assert float(found.total) == pytest.approx(float(expected), rel=1e-5)
    assert found.nll == pytest.approx(float(expected), rel=1e-5)
    assert found.num_tokens == num_words(inputs) == int((targets != -100).sum())


def test_captions_teach_queries_words_and_the_way_between(model, inputs):
    model.zero_grad()
    captioning(model, model.vision(inputs.pixels), inputs).total.backward()
    silent = {name for name, each in model.named_parameters() if each.grad is None}
    # What only comparing needs; and text after text has the queries' keys, but not their vectors.
    assert {name.rpartition(".")[0] or name for name in silent} == {
        "connector.language_projection",
        "fusion.text_projection",
        "fusion.match_head",
        "fusion",
    }


def test_a_matcher_without_words_is_refused(inputs):
    plain = scorer("blip2_itm_debug").model
    with pytest.raises(ConfigError, match="pretraining=True"):
        captioning(plain, plain.vision(inputs.pixels), inputs)
