"""Laws of the decoder: caching, padding and batching never change what it says."""

from dataclasses import replace

import pytest
import torch

from triptych.errors import ConfigError, ShapeError
from triptych.language import (
    DecoderConfig,
    LearnedPositionsConfig,
    RotaryConfig,
    SinusoidalConfig,
    TextPositionsConfig,
)
from triptych.nn.masks import causal_mask, padding_mask, prefix_mask

LLAMA = DecoderConfig(
    vocab_size=50, dim=24, depth=3, num_heads=4, num_kv_heads=2, ffn_dim=40, head_dim=8
)
FAMILIES = {
    "llama": LLAMA,
    "mistral": replace(LLAMA, window=3),
    "qwen2": replace(LLAMA, qkv_bias=True, tied=True),
    "qwen2_vl": replace(LLAMA, positions=RotaryConfig(mrope_sections=(1, 2, 1))),
    "qk_norm": replace(LLAMA, qk_norm="rms"),
    "opt": replace(
        LLAMA,
        num_kv_heads=4,
        norm="layer",
        activation="relu",
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        positions=LearnedPositionsConfig(max_positions=16, offset=2),
    ),
    "gemma": replace(
        LLAMA, norm="rms_offset", activation="gelu_tanh", scale_embeddings=True, tied=True
    ),
    "git": replace(
        LLAMA,
        norm="layer",
        norm_last=True,
        gated_mlp=False,
        mlp_bias=True,
        positions=TextPositionsConfig(max_positions=16),
        head_bias=True,
    ),
    "kosmos2": replace(
        LLAMA,
        norm="layer",
        inner_norm=True,
        gated_mlp=False,
        positions=SinusoidalConfig(),
        scale_embeddings=True,
        tied=True,
    ),
}


def build(config):
    """A decoder whose every parameter matters: no zero biases, no small residual branches."""
    torch.manual_seed(0)
    decoder = config.build().eval()
    for parameter in decoder.parameters():
        parameter.data += torch.randn_like(parameter) * 0.2
    return decoder


@pytest.fixture(params=FAMILIES, name="decoder")
def every_family(request):
    with torch.no_grad():
        yield build(FAMILIES[request.param])


def counting(batch, num_tokens, start=0):
    return torch.arange(start, start + num_tokens).expand(batch, -1)


def positions_of(token_mask):
    """Padding takes position 0, real tokens count from 0."""
    return (token_mask.cumsum(dim=1) - 1).clamp(min=0)


def random_ids(batch, num_tokens):
    torch.manual_seed(1)
    return torch.randint(0, 50, (batch, num_tokens))


def read(decoder, token_ids, position_ids=None, **options):
    if position_ids is None:
        position_ids = counting(*token_ids.shape)
    embeddings = decoder.embed(token_ids, position_ids)
    return decoder(embeddings, position_ids=position_ids, **options)


@pytest.mark.parametrize("chunks", [[8], [1] * 8, [5, 1, 1, 1], [2, 3, 3]], ids=str)
@pytest.mark.parametrize("room", [8, 2])
def test_reading_in_pieces_with_a_cache_equals_reading_at_once(decoder, chunks, room):
    token_ids = random_ids(2, 8)
    expected = read(decoder, token_ids)
    cache, pieces = decoder.allocate_cache(2, room), []
    for piece in token_ids.split(chunks, dim=1):
        where = counting(*piece.shape, start=cache.length)
        pieces.append(read(decoder, piece, where, cache=cache))
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunks", [[7], [2, 3, 1, 1], [1] * 7], ids=str)
def test_left_padding_changes_nothing_with_a_cache(decoder, chunks):
    lengths = (4, 7, 1)
    token_ids = random_ids(3, 7)
    token_mask = torch.stack([torch.arange(7) >= 7 - length for length in lengths])
    cache, pieces = decoder.allocate_cache(3, 7), []
    for ids, where, real in zip(
        token_ids.split(chunks, dim=1),
        positions_of(token_mask).split(chunks, dim=1),
        token_mask.split(chunks, dim=1),
        strict=True,
    ):
        cache.extend_mask(real)
        pieces.append(read(decoder, ids, where, cache=cache))
    padded = torch.cat(pieces, dim=1)
    assert padded.isfinite().all()
    for row, length in enumerate(lengths):
        alone = read(decoder, token_ids[row : row + 1, 7 - length :])
        torch.testing.assert_close(padded[row, 7 - length :], alone[0], rtol=1e-4, atol=1e-5)


def test_steps_after_a_padded_prompt_need_no_mask(decoder):
    token_ids = random_ids(2, 7)
    token_mask = torch.tensor([[False, False, True, True, True], [True] * 5])
    where = positions_of(token_mask)
    cache = decoder.allocate_cache(2, 7)
    cache.extend_mask(token_mask)
    read(decoder, token_ids[:, :5], where, cache=cache)
    for step in (5, 6):
        where = where[:, -1:] + 1
        last = read(decoder, token_ids[:, step : step + 1], where, cache=cache)
    for row, start in enumerate((2, 0)):
        alone = read(decoder, token_ids[row : row + 1, start:])
        torch.testing.assert_close(last[row], alone[0, -1:], rtol=1e-4, atol=1e-5)


def test_left_padding_changes_nothing_without_a_cache(decoder):
    token_ids = random_ids(2, 6)
    token_mask = torch.tensor([[False, False, True, True, True, True], [True] * 6])
    mask = causal_mask(6, 6) & padding_mask(token_mask)
    padded = read(decoder, token_ids, positions_of(token_mask), mask=mask)
    assert padded.isfinite().all()
    alone = read(decoder, token_ids[:1, 2:])
    torch.testing.assert_close(padded[:1, 2:], alone, rtol=1e-4, atol=1e-5)


def test_a_batch_says_what_its_rows_say_alone(decoder):
    token_ids = random_ids(3, 6)
    together = read(decoder, token_ids)
    for row in range(3):
        alone = read(decoder, token_ids[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)


def test_later_tokens_do_not_change_earlier_ones(decoder):
    token_ids = random_ids(1, 6)
    changed = torch.cat([token_ids[:, :4], token_ids[:, 4:].flip(1) * 0 + 7], dim=1)
    before, after = read(decoder, token_ids), read(decoder, changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_no_mask_is_the_causal_mask(decoder):
    token_ids = random_ids(2, 6)
    spelt_out = read(decoder, token_ids, mask=causal_mask(6, 6))
    torch.testing.assert_close(read(decoder, token_ids), spelt_out, rtol=1e-4, atol=1e-5)


def test_a_mask_covers_cached_tokens_too(decoder):
    token_ids = random_ids(1, 6)
    mask = torch.ones(6, 6, dtype=torch.bool).tril()[None, None]
    mask[..., 4:, 1] = False
    expected = read(decoder, token_ids, mask=mask)
    cache = decoder.allocate_cache(1, 6)
    read(decoder, token_ids[:, :4], cache=cache)
    where = counting(1, 2, start=4)
    rest = read(decoder, token_ids[:, 4:], where, mask=mask[:, :, 4:], cache=cache)
    torch.testing.assert_close(rest, expected[:, 4:], rtol=1e-4, atol=1e-5)


def test_padding_in_the_cache_is_not_seen_through_a_mask_either(decoder):
    token_ids = random_ids(2, 5)
    token_mask = torch.tensor([[False, True, True, True, True], [True] * 5])
    hidden = []
    for mask in (None, causal_mask(5, 5)):
        cache = decoder.allocate_cache(2, 5)
        cache.extend_mask(token_mask)
        hidden.append(read(decoder, token_ids, positions_of(token_mask), mask=mask, cache=cache))
    torch.testing.assert_close(*hidden)


def test_beams_go_on_from_the_rows_they_chose(decoder):
    token_ids = random_ids(2, 5)
    rows = torch.tensor([1, 1, 0])
    cache = decoder.allocate_cache(2, 8)
    read(decoder, token_ids, cache=cache)
    cache.select(rows)
    new = torch.tensor([[3], [4], [5]])
    stepped = read(decoder, new, counting(3, 1, start=5), cache=cache)
    whole = read(decoder, torch.cat([token_ids[rows], new], dim=1))
    torch.testing.assert_close(stepped, whole[:, -1:], rtol=1e-4, atol=1e-5)


def test_a_truncated_cache_goes_on_differently(decoder):
    token_ids = random_ids(1, 6)
    cache = decoder.allocate_cache(1, 6)
    read(decoder, random_ids(2, 6)[1:], cache=cache)
    cache.truncate(0)
    read(decoder, token_ids[:, :3], cache=cache)
    read(decoder, token_ids[:, 3:].flip(1), counting(1, 3, start=3), cache=cache)
    cache.truncate(3)
    resumed = read(decoder, token_ids[:, 3:], counting(1, 3, start=3), cache=cache)
    torch.testing.assert_close(resumed, read(decoder, token_ids)[:, 3:], rtol=1e-4, atol=1e-5)


def test_what_hangs_between_blocks_is_asked_before_each(decoder):
    token_ids, asked = random_ids(1, 4), []

    def between(index, hidden):
        asked.append(index)
        return hidden + index * torch.arange(24.0)

    changed = read(decoder, token_ids, between=between)
    assert asked == [0, 1, 2]
    assert not torch.allclose(changed, read(decoder, token_ids))
    unchanged = read(decoder, token_ids, between=lambda _, hidden: hidden)
    assert torch.equal(unchanged, read(decoder, token_ids))


def test_gradients_reach_every_parameter_and_the_embeddings():
    for config in FAMILIES.values():
        decoder = build(config).train()
        embeddings = decoder.embed(random_ids(2, 6), counting(2, 6))
        embeddings.retain_grad()
        hidden = decoder(embeddings, position_ids=counting(2, 6))
        decoder.head(hidden).logsumexp(-1).square().sum().backward()
        for name, tensor in [("embeddings", embeddings), *decoder.named_parameters()]:
            assert tensor.grad is not None and tensor.grad.abs().sum() > 0, name


@torch.no_grad()
def test_padding_leaves_gradients_finite():
    decoder = build(LLAMA)
    token_mask = torch.tensor([[False, False, True, True]])
    with torch.enable_grad():
        mask = causal_mask(4, 4) & padding_mask(token_mask)
        hidden = read(decoder, random_ids(1, 4), positions_of(token_mask), mask=mask)
        hidden.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in decoder.parameters() if p.grad is not None)


@torch.no_grad()
def test_a_window_reaches_back_one_window_a_block():
    # Window 2 and one block: token 5 sees tokens 4 and 5 only.
    decoder = build(replace(LLAMA, window=2, depth=1))
    token_ids = random_ids(1, 6)
    older, recent = token_ids.clone(), token_ids.clone()
    older[0, 3] += 1
    recent[0, 4] += 1
    last = read(decoder, token_ids)[:, -1]
    assert torch.equal(read(decoder, older)[:, -1], last)
    assert not torch.allclose(read(decoder, recent)[:, -1], last)


@torch.no_grad()
def test_a_window_leaves_a_prefix_its_view_ahead():
    decoder = build(replace(LLAMA, window=2, depth=1))
    token_ids = random_ids(1, 6)
    mask = prefix_mask(torch.tensor([3]), 6)
    changed = token_ids.clone()
    changed[0, 2] += 1
    first = read(decoder, token_ids, mask=mask)[:, 0]
    assert not torch.allclose(read(decoder, changed, mask=mask)[:, 0], first)
    assert torch.equal(
        read(decoder, changed, mask=mask)[:, 4:], read(decoder, token_ids, mask=mask)[:, 4:]
    )


@torch.no_grad()
def test_m_rope_takes_one_position_or_three_equal_ones():
    decoder = build(FAMILIES["qwen2_vl"])
    token_ids = random_ids(2, 5)
    one, three = counting(2, 5), counting(2, 5).expand(3, -1, -1)
    assert torch.equal(read(decoder, token_ids, one), read(decoder, token_ids, three))


@pytest.mark.parametrize("axis", range(3))
@torch.no_grad()
def test_m_rope_feels_every_axis(axis):
    decoder = build(FAMILIES["qwen2_vl"])
    token_ids, where = random_ids(1, 5), counting(1, 5).repeat(3, 1, 1)
    expected = read(decoder, token_ids, where)
    where[axis, :, 2] += 3
    assert not torch.allclose(read(decoder, token_ids, where), expected)


def test_three_positions_are_refused_where_there_is_one():
    where = counting(1, 5).expand(3, -1, -1)
    for family in ("llama", "opt"):
        with pytest.raises(ShapeError, match="one position a token, got 3"):
            read(build(FAMILIES[family]), random_ids(1, 5), where)


def test_a_position_beyond_the_learned_ones_is_refused():
    decoder = build(FAMILIES["opt"])
    read(decoder, random_ids(1, 1), torch.tensor([[15]]))
    with pytest.raises(ShapeError, match="position 16 is beyond the 16 positions"):
        read(decoder, random_ids(1, 1), torch.tensor([[16]]))


def test_a_mask_that_leaves_tokens_out_is_refused():
    decoder = build(LLAMA)
    cache = decoder.allocate_cache(1, 8)
    read(decoder, random_ids(1, 3), cache=cache)
    with pytest.raises(ShapeError, match="covers 2 keys, but there are 5 tokens, 3 in the cache"):
        read(
            decoder,
            random_ids(1, 2),
            counting(1, 2, start=3),
            mask=causal_mask(2, 2),
            cache=cache,
        )


@torch.no_grad()
def test_a_tied_head_is_the_embedding_table():
    tied, untied = build(FAMILIES["qwen2"]), build(LLAMA)
    hidden = torch.randn(1, 2, 24)
    assert tied.lm_head is None
    torch.testing.assert_close(tied.head(hidden), hidden @ tied.embedding.weight.T)
    torch.testing.assert_close(untied.head(hidden), hidden @ untied.lm_head.weight.T)
    assert not torch.equal(untied.lm_head.weight, untied.embedding.weight)


def test_dropout_touches_embeddings_and_branches_in_training_only():
    decoder = replace(LLAMA, dropout=0.5).build()
    seen = []
    first = decoder.embed(random_ids(1, 6))
    decoder.train()(
        first, position_ids=counting(1, 6), between=lambda _, hidden: seen.append(hidden) or hidden
    )
    dropped = (seen[0] == 0).float().mean()
    assert 0.3 < dropped < 0.7
    untouched = (seen[1] == seen[0]).float().mean()
    assert 0.1 < untouched < 0.4  # both branches dropped: a quarter
    decoder.eval()
    assert torch.equal(read(decoder, random_ids(1, 6)), read(decoder, random_ids(1, 6)))


def test_fresh_weights_have_the_spread_that_depth_asks_for():
    torch.manual_seed(0)
    config = replace(FAMILIES["opt"], dim=128, ffn_dim=512, head_dim=32, depth=8)
    for name, parameter in config.build().named_parameters():
        if name.endswith("bias"):
            assert parameter.eq(0).all(), name
        elif parameter.ndim == 1:
            assert parameter.eq(1).all(), name
        else:
            residual = name.endswith(("attention.out.weight", "mlp.down.weight"))
            expected = 0.02 / (4 if residual else 1)  # 4 = the root of 2 * depth
            assert abs(parameter.std() / expected - 1) < 0.05, name


def test_initialising_with_a_generator_repeats():
    decoder = LLAMA.build()
    drawn = []
    for _ in range(2):
        decoder.initialise(torch.Generator().manual_seed(3))
        drawn.append(decoder.blocks[1].mlp.down.weight.clone())
    assert torch.equal(*drawn)


def test_a_half_precision_decoder_stays_in_half_precision():
    decoder = LLAMA.build().bfloat16()
    cache = decoder.allocate_cache(2, 4)
    hidden = read(decoder, random_ids(2, 4), cache=cache)
    assert hidden.dtype == decoder.head(hidden).dtype == cache.layers[0].keys.dtype
    assert hidden.dtype == torch.bfloat16


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_builds_and_runs_on_the_meta_device(family):
    with torch.device("meta"):
        decoder = FAMILIES[family].build()
        token_ids = torch.zeros(2, 5, dtype=torch.long)
        cache = decoder.allocate_cache(2, 8)
        hidden = read(decoder, token_ids, token_ids, cache=cache)
        step = read(decoder, token_ids, token_ids, cache=cache)
    assert decoder.head(hidden).shape == (2, 5, 50) and step.is_meta


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"num_kv_heads": 3}, "4 query heads do not share 3 key heads"),
        ({"head_dim": None, "dim": 26}, "26 does not divide into 4 heads"),
        ({"head_dim": 7}, "even head_dim, got 7"),
        ({"head_dim": 0}, "head_dim must be at least 1 or left out, got 0"),
        ({"window": 0}, "window must be at least 1 or left out, got 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"positions": RotaryConfig(mrope_sections=(2, 3, 3))}, "they add up to 8"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_config_that_cannot_be_built_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(LLAMA, **change)


def test_positions_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="theta"):
        RotaryConfig(theta=1.0)
    with pytest.raises(ConfigError, match="max_positions"):
        LearnedPositionsConfig(max_positions=0)


# -- Gemma, GIT, Kosmos-2 --------------------------------------------------------------------------


def test_scaled_embeddings_are_the_table_times_the_root_of_the_width():
    decoder, ids = build(FAMILIES["gemma"]), random_ids(1, 4)
    torch.testing.assert_close(decoder.embed(ids), decoder.embedding.weight[ids] * 24**0.5)
    half = decoder.to(torch.bfloat16)
    root = torch.tensor(24**0.5).bfloat16()  # rounded first, as the published model was trained
    assert torch.equal(half.embed(ids), half.embedding.weight[ids] * root)


def test_fresh_norms_around_one_start_at_zero():
    decoder = FAMILIES["gemma"].build()
    assert torch.equal(decoder.norm.weight, torch.zeros(24))
    assert decoder.blocks[0].norm_1.weight.abs().max() == 0


@torch.no_grad()
def test_positions_of_text_alone_are_added_before_pictures_stand_beside_it():
    decoder, ids = build(FAMILIES["git"]), random_ids(1, 3)
    summed = decoder.embedding.weight[ids] + decoder.position_embedding.weight[[0, 1, 2]]
    torch.testing.assert_close(decoder.embed(ids, counting(1, 3)), decoder.embedding_norm(summed))
    embeddings = torch.randn(1, 3, 24)
    shifted = decoder(embeddings, position_ids=counting(1, 3, start=5))
    torch.testing.assert_close(decoder(embeddings, position_ids=counting(1, 3)), shifted)
    with pytest.raises(ShapeError, match="give position_ids"):
        decoder.embed(ids)
    with pytest.raises(ShapeError, match="position 16 is beyond the 16 positions"):
        decoder.embed(ids, counting(1, 3, start=14))


@torch.no_grad()
def test_a_head_with_a_bias_adds_it():
    decoder = build(FAMILIES["git"])
    assert torch.equal(decoder.head(torch.zeros(1, 1, 24))[0, 0], decoder.lm_head.bias)


def test_norms_inside_of_branches_are_as_wide_as_what_they_see():
    block = FAMILIES["kosmos2"].build().blocks[0]
    assert block.attention.inner_norm.normalized_shape == (32,)  # 4 heads of 8
    assert block.mlp.inner_norm.normalized_shape == (40,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tied": True, "head_bias": True}, "no head_bias"),
        ({"inner_norm": True}, "inner_norm needs gated_mlp=False"),
        ({"dim": 25, "positions": SinusoidalConfig()}, "an even dim, got 25"),
    ],
)
def test_flags_that_exclude_each_other_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(LLAMA, **change)


def test_places_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="max_positions must be at least 1"):
        TextPositionsConfig(max_positions=0)
    with pytest.raises(ConfigError, match="offset must be at least 0"):
        SinusoidalConfig(offset=-1)
    with pytest.raises(ConfigError, match="tokens_per_second must be above 0"):
        RotaryConfig(tokens_per_second=2.0)
