"""BLIP-2's two ways to compare: the best of several cosines, and the mean of several logits."""

from dataclasses import replace

import pytest
import torch
from tests.laws.debug_models import picture
from tests.laws.debug_scorers import TEXTS, scorer
from torch.nn.functional import normalize

from triptych.errors import ConfigError
from triptych.fusion.matching import MatcherConfig
from triptych.fusion.pairs import PairInputs

PICTURES = [picture(0), picture(1, 64, 48)]


@pytest.fixture(scope="module")
def inputs() -> PairInputs:
    return scorer("blip2_itm_debug").processor.encode(PICTURES, TEXTS)


@torch.no_grad()
def test_a_picture_is_as_like_a_text_as_the_query_that_is_most(inputs):
    model = scorer("blip2_itm_debug").model
    queries = model.embed_images(inputs.pixels)
    texts = model.embed_texts(inputs.token_ids, inputs.token_mask)
    torch.testing.assert_close(queries.norm(dim=-1), torch.ones(2, 4))
    cosines = torch.einsum("iqd,td->iqt", queries, texts)
    found = model.score(inputs).similarities
    torch.testing.assert_close(found, cosines.max(dim=1).values)
    assert (found - cosines.mean(dim=1)).abs().max() > 1e-3


@torch.no_grad()
def test_a_text_is_what_its_first_token_has_made_of_it(inputs):
    model = scorer("blip2_itm_debug").model
    (alone,) = scorer("blip2_itm_debug").processor.encode_texts(TEXTS[:1])[:1]
    hidden = model.connector.encode_text(alone)[:, 0]
    expected = normalize(model.fusion.text_projection(hidden), dim=-1)
    found = model.embed_texts(inputs.token_ids, inputs.token_mask)[:1]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_pair_matches_as_its_queries_say_on_average(inputs):
    debug = scorer("blip2_itm_debug")
    model, connector = debug.model, debug.model.connector
    features = model.vision(inputs.pixels)
    for index, text in enumerate(TEXTS):
        (alone,) = debug.processor.encode_texts([text])[:1]
        hidden = connector.encode_pair(features, alone.expand(2, -1))
        logits = model.fusion.match_head(hidden[:, :4]).mean(dim=1)
        expected = logits.softmax(dim=1)[:, 1]
        found = model.score(inputs).probabilities[:, index]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_match_is_read_with_the_picture(inputs):
    model = scorer("blip2_itm_debug").model
    one, other = model.score(inputs).probabilities
    assert (one - other).abs().max() > 1e-4


def test_a_matcher_without_a_text_side_is_refused():
    config = scorer("blip2_itm_debug").architecture.model
    with pytest.raises(ConfigError, match=r"give its Q-Former text=QFormerTextConfig\(\)"):
        replace(config, connector=replace(config.connector, text=None))
    with pytest.raises(ConfigError, match="shared_dim must be at least 1"):
        MatcherConfig(vision=config.vision, connector=config.connector, shared_dim=0)
