"""Which tokens may be drawn, and how a row draws them."""

import math

import pytest
import torch

from triptych.errors import ConfigError, TokenError
from triptych.generate import GenerationOptions
from triptych.generate.contrast import Contrast
from triptych.generate.sampling import (
    alternatives,
    choose,
    draw,
    is_plain,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    kept_probabilities,
    likeliest,
    log_probability,
    penalise,
    pick,
    row_generators,
)

LOGITS = torch.tensor([[0.5, 0.1, 0.3, 0.1], [0.05, 0.05, 0.2, 0.7]]).log()
SAMPLED = GenerationOptions(temperature=1.0)


def kept(logits: torch.Tensor) -> list[list[int]]:
    return logits.isfinite().int().tolist()


def drawn(options: GenerationOptions, times: int, **more: object) -> list[int]:
    [generator] = row_generators(1, seed=0)
    return [pick(LOGITS[0], options, generator, **more) for _ in range(times)]


# -- what is kept --------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("min_p", "expected"),
    [
        (0.0, [[1, 1, 1, 1], [1, 1, 1, 1]]),
        (0.15, [[1, 1, 1, 1], [0, 0, 1, 1]]),
        (0.5, [[1, 0, 1, 0], [0, 0, 0, 1]]),
        (1.0, [[1, 0, 0, 0], [0, 0, 0, 1]]),
    ],
)
def test_min_p_keeps_what_is_a_fraction_as_likely_as_the_likeliest(min_p, expected):
    assert kept(keep_min_p(LOGITS, min_p)) == expected


def test_a_penalty_makes_what_was_said_less_likely_whatever_its_sign():
    logits = torch.tensor([2.0, -2.0, 1.0, -1.0])
    assert penalise(logits, 2.0, [0, 1, 0, 1]).tolist() == [1.0, -4.0, 1.0, -1.0]
    assert penalise(logits, 0.5, {3}).tolist() == [2.0, -2.0, 1.0, -0.5]
    assert logits.tolist() == [2.0, -2.0, 1.0, -1.0]


def test_a_penalty_passes_over_ids_that_the_model_cannot_say():
    assert penalise(torch.ones(3), 2.0, [1, 3, 99]).tolist() == [1.0, 0.5, 1.0]


@pytest.mark.parametrize("top_p", [0.3, 0.99])
def test_top_p_keeps_the_same_of_a_large_vocabulary(top_p):
    """There only the likeliest are sorted while they suffice: here for 0.3 and not for 0.99."""
    logits = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
    ordered, order = logits.softmax(-1).sort(descending=True)
    for row in range(2):
        count = int((ordered[row].cumsum(-1) < top_p).sum()) + 1
        assert 100 < count < 5000
        found = keep_top_p(logits, top_p)[row].isfinite().nonzero().flatten()
        assert found.tolist() == sorted(order[row, :count].tolist())


# -- beside transformers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7},
        {"top_k": 9},
        {"top_p": 0.6},
        {"min_p": 0.3},
        {"repetition_penalty": 1.7},
        {"repetition_penalty": 0.6, "temperature": 1.9, "top_k": 30, "top_p": 0.8, "min_p": 0.1},
        {"temperature": 0.4, "top_p": 0.95, "min_p": 0.02},
    ],
)
def test_it_keeps_what_transformers_keeps(options):
    transformers = pytest.importorskip("transformers")
    ours = GenerationOptions(**{"temperature": 1.0, **options})
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        logits = 3 * torch.randn(64, generator=generator)
        previous = torch.randint(64, (1, 40), generator=generator)
        theirs = _transformers_processors(transformers, ours)(previous, logits[None].clone())
        penalised = penalise(logits, ours.repetition_penalty, previous[0].tolist())
        # Measured worst case 6e-8: rounding of a softmax; a token kept or not would be above 1e-3.
        torch.testing.assert_close(
            kept_probabilities(penalised, ours), theirs[0].softmax(-1), atol=1e-6, rtol=0
        )


def _transformers_processors(transformers, options):
    """In the order of its `generate`, from its own method."""
    config = transformers.GenerationConfig(
        do_sample=True,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p or None,
        repetition_penalty=options.repetition_penalty,
    )
    bare = transformers.GenerationMixin()
    bare.config = transformers.PretrainedConfig()
    return bare._get_logits_processor(config, input_ids_seq_length=1)


# -- one row -------------------------------------------------------------------------------------


def test_temperature_zero_takes_the_likeliest_and_draws_nothing():
    assert choose(LOGITS, GenerationOptions(), row_generators(2, seed=0)).tolist() == [0, 3]
    [generator] = row_generators(1, seed=0)
    before = generator.get_state()
    assert pick(LOGITS[1], GenerationOptions(), generator) == 3
    assert torch.equal(generator.get_state(), before)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    shares = torch.bincount(torch.tensor(drawn(SAMPLED, 2000)), minlength=4) / 2000
    torch.testing.assert_close(shares, LOGITS[0].exp(), atol=0.04, rtol=0)


def test_what_is_left_out_is_never_drawn():
    probabilities = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0])
    generator = torch.Generator().manual_seed(0)
    assert {draw(probabilities, generator) for _ in range(200)} == {1, 3}


def test_not_even_where_the_number_drawn_is_zero(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *size, **more: torch.zeros(1, dtype=torch.float64))
    assert draw(torch.tensor([0.0, 0.5, 0.5]), torch.Generator()) == 1


def test_a_low_temperature_sharpens_and_a_high_one_flattens():
    for temperature, low, high in ((0.25, 0.85, 1.0), (1.0, 0.4, 0.6), (20.0, 0.15, 0.35)):
        said = drawn(GenerationOptions(temperature=temperature), 500)
        assert low <= said.count(0) / 500 <= high


def test_a_row_draws_alone_what_it_draws_in_a_batch():
    batch, alone = row_generators(2, seed=3), row_generators(1, seed=3)
    for _ in range(10):
        together = choose(LOGITS, SAMPLED, batch)
        assert int(together[1]) == pick(LOGITS[1], SAMPLED, alone[0])


def test_a_penalty_changes_what_is_likeliest():
    options = GenerationOptions(repetition_penalty=1.5)
    [generator] = row_generators(1, seed=0)
    logits = torch.tensor([2.0, 1.9, 0.0])
    assert [pick(logits, options, generator, said) for said in ((), (0,), (0, 1))] == [0, 1, 0]


def test_only_what_is_allowed_is_said():
    allowed = torch.tensor([False, True, False, True])
    assert set(drawn(SAMPLED, 100, allowed=allowed)) == {1, 3}
    greedy = GenerationOptions(repetition_penalty=1.5)
    assert set(drawn(greedy, 3, allowed=allowed, previous=(1,))) == {3}


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1},
        {"top_p": 0.01},
        {"min_p": 1.0},
        {"top_k": 2, "top_p": 0.3, "min_p": 0.9, "repetition_penalty": 3.0},
        {"contrast": Contrast(plausible=1.0)},
        {"contrast": Contrast(plausible=1.0), "temperature": 0.0},
    ],
)
def test_something_allowed_always_remains(options):
    """Even where nothing allowed is among the likeliest or plausible of all."""
    allowed = torch.tensor([False, True, False, False])
    options = GenerationOptions(**{"temperature": 1.0, **options})
    said = drawn(options, 20, allowed=allowed, previous=(1,), without=LOGITS[1])
    assert set(said) == {1}


def test_a_structure_that_allows_nothing_is_told():
    with pytest.raises(TokenError, match="the structure allows no token here"):
        drawn(SAMPLED, 1, allowed=torch.zeros(4, dtype=torch.bool))


def test_a_contrast_comes_first_and_needs_both_logits():
    options = GenerationOptions(contrast=Contrast(strength=1.0, plausible=0.1))
    # Seen and unseen: ln of 0.5, 0.1, 0.3, 0.1 against 0.05, 0.05, 0.2, 0.7; twice the one less
    # the other is likeliest for token 0, and for token 2 once 0 is expected without looking.
    assert set(drawn(options, 2, without=LOGITS[1])) == {0}
    expected = torch.tensor([0.9, 0.02, 0.06, 0.02]).log()
    assert set(drawn(options, 2, without=expected)) == {2}
    assert set(drawn(options, 2)) == {0}


def test_half_precision_is_chosen_from_in_full():
    """In bfloat16 the probabilities of 256 equal tokens no longer add up to one."""
    logits = torch.zeros(4096, dtype=torch.bfloat16)
    [generator], [full] = row_generators(1, seed=5), row_generators(1, seed=5)
    options = GenerationOptions(temperature=1.0, top_p=0.5)
    assert pick(logits, options, generator) == pick(logits.float(), options, full)


# -- the plain case, and what is told --------------------------------------------------------------


def test_the_fast_path_says_what_the_slow_one_says():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(7, 33, generator=generator)
    options = GenerationOptions()
    assert is_plain(options)
    picked = [pick(row, options, generator, previous=(1, 2)) for row in logits]
    assert likeliest(logits).tolist() == picked


@pytest.mark.parametrize(
    "options",
    [{"temperature": 0.1}, {"repetition_penalty": 1.1}, {"contrast": Contrast()}],
)
def test_what_changes_the_likeliest_is_not_plain(options):
    assert not is_plain(GenerationOptions(**options))


def test_what_only_tells_or_drafts_is_plain():
    assert is_plain(GenerationOptions(num_alternatives=3, lookup=8))


def test_log_probabilities_are_those_of_the_model_itself():
    shifted = LOGITS + torch.tensor([[7.0], [-3.0]])  # logits are no log-probabilities
    found = log_probability(shifted, torch.tensor([2, 3]))
    torch.testing.assert_close(found, torch.tensor([0.3, 0.7]).log())


def test_alternatives_are_the_likeliest_in_order():
    told = alternatives(LOGITS[1] + 5.0, 2)
    assert [token for token, _ in told] == [3, 2]
    assert [value for _, value in told] == pytest.approx([math.log(0.7), math.log(0.2)])
    assert len(alternatives(LOGITS[1], 20)) == 4
    assert alternatives(LOGITS[1], 0) == ()


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens must be >= 1, got 0"),
        ({"temperature": -1.0}, "temperature must be >= 0"),
        ({"top_k": -1}, "top_k must be >= 0"),
        ({"top_p": 0.0}, "top_p must be in"),
        ({"top_p": 1.5}, "top_p must be in"),
        ({"min_p": -0.1}, r"min_p must be in \[0, 1\], got -0.1"),
        ({"min_p": 1.1}, "min_p must be in"),
        ({"repetition_penalty": 0.0}, "repetition_penalty must be a number above 0, got 0.0"),
        ({"repetition_penalty": math.nan}, "repetition_penalty must be a number above 0, got nan"),
        ({"num_alternatives": -1}, "num_alternatives must be 0 to 20, got -1"),
        ({"num_alternatives": 21}, "num_alternatives must be 0 to 20, got 21"),
        ({"lookup": -1}, "lookup must be >= 0 tokens, got -1"),
        ({"num_beams": 0}, "num_beams must be >= 1"),
        ({"stop": ("",)}, "stop text must not be empty"),
        ({"num_beams": 2, "temperature": 0.5}, "num_beams=1 or temperature=0"),
        ({"num_beams": 2, "contrast": Contrast()}, "takes no contrast; use num_beams=1"),
        ({"num_beams": 2, "lookup": 4}, "takes no drafts of lookup; use num_beams=1"),
        ({"num_beams": 2, "repetition_penalty": 1.1}, "takes no repetition_penalty; use num_b"),
        ({"num_beams": 2, "num_alternatives": 1}, "tells no alternatives; use num_beams=1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        GenerationOptions(**options)
