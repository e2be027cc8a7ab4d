"""Latent queries by their formula; the promises they share are in `test_contract`."""

from dataclasses import replace

import pytest
import torch

from triptych.connector import LatentQueriesConfig
from triptych.errors import ConfigError
from triptych.shapes import VisionFeatures

CONFIG = LatentQueriesConfig(num_queries=3, num_heads=2)


def built(config):
    torch.manual_seed(0)
    return config.build(vision_dim=6, language_dim=8)


def features(scale=1.0):
    generator = torch.Generator().manual_seed(1)
    cells = torch.randn(2, 2, 3, 6, generator=generator) * scale
    return VisionFeatures(cells, torch.randn(2, 1, 6, generator=generator) * scale)


@torch.no_grad()
def test_queries_read_features_and_each_other():
    connector, given = built(CONFIG), features()
    sequence = given.sequence()
    projected = connector.projection(sequence / sequence.norm(dim=-1, keepdim=True))
    queries = connector.queries.expand(2, -1, -1)
    context = torch.cat([projected, queries], dim=1)
    expected = connector.attention(queries, context=context) * 8**0.5
    torch.testing.assert_close(connector(given), expected)


@torch.no_grad()
def test_the_length_of_features_counts_only_where_they_are_not_normalised():
    connector = built(CONFIG)
    torch.testing.assert_close(connector(features()), connector(features(7.0)))
    plain = built(replace(CONFIG, normalise=False))
    assert (plain(features()) - plain(features(7.0))).abs().max() > 1e-3


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="num_heads=3 does not divide the language width 8"):
        built(replace(CONFIG, num_heads=3))
    with pytest.raises(ConfigError, match="num_queries must be at least 1"):
        LatentQueriesConfig(num_queries=0)
