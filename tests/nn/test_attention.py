"""Laws of attention: every shortcut says what the long way says."""

import math

import pytest
import torch
from einops import rearrange, repeat

from triptych.errors import ConfigError, ShapeError
from triptych.nn.attention import Attention, attend
from triptych.nn.cache import LayerCache
from triptych.nn.masks import causal_mask
from triptych.nn.rotary import rotation_1d


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def by_hand(query, key, value, mask=None, scale=None):
    """softmax(q k / root of width) v, with every key head repeated and nothing fused."""
    group = query.shape[1] // key.shape[1]
    key, value = (repeat(x, "b h t d -> b (h g) t d", g=group) for x in (key, value))
    scores = query @ key.transpose(-1, -2) * (scale or 1 / math.sqrt(query.shape[-1]))
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1).nan_to_num(0.0) @ value


def heads(num_query, num_key, num_heads=4, num_kv_heads=2):
    query = torch.randn(3, num_heads, num_query, 8)
    return query, *torch.randn(2, 3, num_kv_heads, num_key, 8)


@pytest.mark.parametrize("num_query", [1, 5])
@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_grouped_heads_equal_repeated_keys(num_query, num_kv_heads):
    query, key, value = heads(num_query, 5, num_kv_heads=num_kv_heads)
    mask = torch.rand(3, 1, num_query, 5) < 0.7
    for chosen in (None, mask):
        expected = by_hand(query, key, value, chosen)
        torch.testing.assert_close(attend(query, key, value, mask=chosen), expected)


def test_a_mask_may_differ_from_head_to_head():
    query, key, value = heads(1, 5)
    mask = torch.rand(3, 4, 1, 5) < 0.7
    expected = by_hand(query, key, value, mask)
    torch.testing.assert_close(attend(query, key, value, mask=mask), expected)


@pytest.mark.parametrize(("num_query", "num_key"), [(5, 5), (2, 5), (1, 5), (1, 1)])
def test_is_causal_equals_the_causal_mask(num_query, num_key):
    query, key, value = heads(num_query, num_key)
    expected = by_hand(query, key, value, causal_mask(num_query, num_key))
    torch.testing.assert_close(attend(query, key, value, is_causal=True), expected)


def test_causality_and_a_mask_both_restrict():
    query, key, value = heads(5, 5)
    mask = torch.rand(3, 1, 5, 5) < 0.7
    expected = by_hand(query, key, value, mask & causal_mask(5, 5))
    torch.testing.assert_close(attend(query, key, value, mask=mask, is_causal=True), expected)


def test_the_scale_may_be_given():
    query, key, value = heads(3, 5)
    expected = by_hand(query, key, value, scale=2.0)
    torch.testing.assert_close(attend(query, key, value, scale=2.0), expected)


@pytest.mark.parametrize("num_query", [1, 4])
def test_who_sees_nothing_gets_zeros_and_finite_gradients(num_query):
    inputs = [x.requires_grad_() for x in heads(num_query, 4)]
    mask = torch.ones(3, 1, num_query, 4, dtype=torch.bool)
    mask[1, :, 0] = False
    seen = attend(*inputs, mask=mask)
    assert seen[1, :, 0].eq(0).all()
    seen.sum().backward()
    assert all(x.grad.isfinite().all() for x in inputs)


def test_the_layer_is_four_projections_around_attend():
    layer = Attention(12, 4, num_kv_heads=2, head_dim=8, qkv_bias=True, out_bias=True)
    hidden = torch.randn(2, 5, 12)
    query = rearrange(layer.query(hidden), "b t (h d) -> b h t d", h=4)
    key = rearrange(layer.key(hidden), "b t (h d) -> b h t d", h=2)
    value = rearrange(layer.value(hidden), "b t (h d) -> b h t d", h=2)
    rotation = rotation_1d(torch.arange(5)[None], 8, 1e4)
    expected = layer.out(rearrange(by_hand(query, key, value), "b h t d -> b t (h d)"))
    torch.testing.assert_close(layer(hidden), expected)
    assert not torch.allclose(layer(hidden, rotation=rotation), expected)


def test_shifting_all_positions_changes_nothing():
    layer, hidden = Attention(12, 4, head_dim=8), torch.randn(2, 5, 12)
    positions = torch.arange(5)[None]
    here, there, wider = (
        layer(hidden, is_causal=True, rotation=rotation_1d(ids, 8, 1e4))
        for ids in (positions, positions + 100, 3 * positions)
    )
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-5)
    assert (here - wider).abs().max() > 1e-3


def test_biases_are_where_they_were_asked_for():
    def biases(**options):
        named = Attention(8, 2, **options).named_parameters()
        return {name.split(".")[0] for name, _ in named if name.endswith("bias")}

    assert biases() == set()
    assert biases(qkv_bias=True) == {"query", "key", "value"}
    assert biases(qkv_bias=True, key_bias=False) == {"query", "value"}
    assert biases(out_bias=True) == {"out"}


def test_a_context_is_attended_to_instead_of_the_sequence():
    layer = Attention(8, 2, context_dim=6)
    hidden, context = torch.randn(2, 3, 8), torch.randn(2, 7, 6)
    mixed = layer(hidden, context=context)
    assert mixed.shape == hidden.shape
    alone = layer(hidden[:, 1:2], context=context)
    torch.testing.assert_close(mixed[:, 1:2], alone)  # queries do not see each other
    torch.testing.assert_close(mixed, layer(hidden, context=context.flip(1)))


@pytest.mark.parametrize("qk_norm", ["rms", "layer"])
def test_normalised_heads_ignore_the_size_of_queries_and_keys(qk_norm):
    layer = Attention(8, 2, qk_norm=qk_norm)
    assert layer.query_norm.weight.shape == (4,)
    hidden = torch.randn(2, 5, 8)
    expected = layer(hidden)
    layer.query.weight.data *= 50
    layer.key.weight.data[:4] *= 50  # the first head alone
    torch.testing.assert_close(layer(hidden), expected, rtol=1e-3, atol=1e-4)


def test_a_norm_over_the_full_width_keeps_the_heads_in_proportion():
    layer = Attention(8, 2, num_kv_heads=1, qk_norm="rms_width", qk_norm_eps=0.0)
    assert (layer.query_norm.weight.shape, layer.key_norm.weight.shape) == ((8,), (4,))
    hidden = torch.randn(2, 5, 8)
    query = layer.query(hidden)
    query = query / query.square().mean(-1, keepdim=True).sqrt()
    expected = rearrange(query, "b t (h d) -> b h t d", h=2)
    torch.testing.assert_close(layer.queries(hidden), expected)


@pytest.mark.parametrize("chunks", [[6], [1] * 6, [3, 2, 1], [1, 4, 1]], ids=str)
def test_reading_in_pieces_with_a_cache_equals_reading_at_once(chunks):
    layer = Attention(12, 4, num_kv_heads=2, head_dim=8)
    hidden = torch.randn(2, 6, 12)
    cos, sin = rotation_1d(torch.arange(6)[None], 8, 1e4)
    expected = layer(hidden, is_causal=True, rotation=(cos, sin))

    cache, start, pieces = LayerCache(2, 2, 8, 6, torch.float32), 0, []
    for size in chunks:
        part = slice(start, start + size)
        rotation = cos[:, part], sin[:, part]
        pieces.append(layer(hidden[:, part], is_causal=True, rotation=rotation, cache=cache))
        start += size
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected)


def test_a_cached_context_is_read_once():
    layer = Attention(8, 2, context_dim=6)
    hidden, context = torch.randn(2, 3, 8), torch.randn(2, 7, 6)
    expected = layer(hidden, context=context)
    cache = LayerCache(2, 2, 4, 7, torch.float32)
    first = layer(hidden[:, :2], context=context, cache=cache)
    second = layer(hidden[:, 2:], context=torch.zeros_like(context), cache=cache)
    torch.testing.assert_close(torch.cat([first, second], dim=1), expected)
    assert cache.length == 7
    with pytest.raises(ShapeError, match="a new context needs a new cache"):
        layer(hidden, context=context[:, :5], cache=cache)


def test_dropout_acts_in_training_only():
    layer = Attention(8, 2, dropout=0.5)
    hidden = torch.randn(1, 6, 8)
    assert not torch.equal(layer.train()(hidden), layer(hidden))
    assert torch.equal(layer.eval()(hidden), layer(hidden))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 10, "num_heads": 4}, "10 does not divide into 4 heads"),
        ({"dim": 12, "num_heads": 4, "num_kv_heads": 3}, "4 query heads do not share 3 key"),
    ],
)
def test_heads_that_do_not_divide_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Attention(**options)


def test_gradients_reach_every_parameter_and_the_input():
    layer = Attention(8, 4, num_kv_heads=2, qkv_bias=True, out_bias=True, qk_norm="rms")
    hidden = torch.randn(2, 5, 8, requires_grad=True)
    layer(hidden, is_causal=True).square().sum().backward()
    for name, tensor in [("hidden", hidden), *layer.named_parameters()]:
        assert tensor.grad is not None and tensor.grad.abs().sum() > 0, name


@pytest.mark.parametrize("masking", ["none", "causal", "some rows see nothing"])
@pytest.mark.parametrize("num_kv_heads", [4, 2])
def test_attention_spelled_out_is_attention_with_its_gradients(masking: str, num_kv_heads: int):
    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 4, 9, 16), (2, num_kv_heads, 9, 16), (2, num_kv_heads, 9, 16))
    tensors = [torch.randn(shape, generator=generator).bfloat16() for shape in shapes]
    mask = None
    if masking == "some rows see nothing":
        mask = torch.rand(2, 1, 9, 9, generator=generator) > 0.4
        mask[1, :, 3] = False

    def results(dtype: torch.dtype) -> list[torch.Tensor]:
        inputs = [each.detach().to(dtype).clone().requires_grad_() for each in tensors]
        mixed = attend(*inputs, mask=mask, is_causal=masking == "causal")
        (mixed * torch.linspace(-1, 1, 16)).sum().backward()
        return [mixed.detach(), *(each.grad for each in inputs)]

    for spelled_out, reference in zip(results(torch.bfloat16), results(torch.float32), strict=True):
        assert spelled_out.dtype == torch.bfloat16
        # Measured worst: 0.03 on values up to 4.
        assert (spelled_out.float() - reference).abs().max() < 0.06
    if mask is not None:
        assert not results(torch.bfloat16)[0][1, :, 3].any()
