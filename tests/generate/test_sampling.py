"""Which tokens may be drawn, and how a row draws them."""

import pytest
import torch

from triptych.errors import ConfigError
from triptych.generate import GenerationOptions
from triptych.generate.sampling import choose, keep_top_k, keep_top_p, row_generators

LOGITS = torch.tensor([[0.5, 0.1, 0.3, 0.1], [0.05, 0.05, 0.2, 0.7]]).log()


def kept(logits: torch.Tensor) -> list[list[int]]:
    return logits.isfinite().int().tolist()


def test_top_k_keeps_the_k_likeliest():
    assert kept(keep_top_k(LOGITS, 2)) == [[1, 0, 1, 0], [0, 0, 1, 1]]


@pytest.mark.parametrize("top_k", [0, 4, 9])
def test_top_k_of_none_or_of_all_keeps_all(top_k):
    assert torch.equal(keep_top_k(LOGITS, top_k), LOGITS)


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.4, [[1, 0, 0, 0], [0, 0, 0, 1]]),
        (0.75, [[1, 0, 1, 0], [0, 0, 1, 1]]),
        (0.001, [[1, 0, 0, 0], [0, 0, 0, 1]]),
        (1.0, [[1, 1, 1, 1], [1, 1, 1, 1]]),
    ],
)
def test_top_p_keeps_the_fewest_tokens_that_reach_it(top_p, expected):
    assert kept(keep_top_p(LOGITS, top_p)) == expected


def test_temperature_zero_takes_the_likeliest():
    chosen = choose(LOGITS, GenerationOptions(), row_generators(2, seed=0))
    assert chosen.tolist() == [0, 3]


def test_tokens_are_drawn_as_often_as_they_are_likely():
    generators = row_generators(1, seed=0)
    options = GenerationOptions(temperature=1.0)
    drawn = [int(choose(LOGITS[:1], options, generators)) for _ in range(2000)]
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / 2000
    torch.testing.assert_close(shares, LOGITS[0].exp(), atol=0.04, rtol=0)


def test_a_low_temperature_sharpens_and_a_high_one_flattens():
    for temperature, low, high in ((0.25, 0.85, 1.0), (1.0, 0.4, 0.6), (20.0, 0.15, 0.35)):
        generators = row_generators(1, seed=0)
        options = GenerationOptions(temperature=temperature)
        drawn = [int(choose(LOGITS[:1], options, generators)) for _ in range(500)]
        assert low <= drawn.count(0) / 500 <= high


def test_a_row_draws_alone_what_it_draws_in_a_batch():
    options = GenerationOptions(temperature=1.0)
    batch, alone = row_generators(2, seed=3), row_generators(1, seed=3)
    for _ in range(10):
        together = choose(LOGITS, options, batch)
        assert int(together[1]) == int(choose(LOGITS[1:], options, alone))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be >= 1, got 0"),
        ({"temperature": -1.0}, "temperature must be >= 0"),
        ({"top_k": -1}, "top_k must be >= 0"),
        ({"top_p": 0.0}, "top_p must be in"),
        ({"top_p": 1.5}, "top_p must be in"),
        ({"num_beams": 0}, "num_beams must be >= 1"),
        ({"stop": ("",)}, "stop text must not be empty"),
        ({"num_beams": 2, "temperature": 0.5}, "num_beams=1 or temperature=0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        GenerationOptions(**options)
