"""Fewer bits: what is stored is near what was given, and the kernels compute what is stored."""

from copy import deepcopy

import pytest
import torch

from triptych.errors import UsageError
from triptych.nn import quantised
from triptych.nn.attention import Attention
from triptych.nn.mlp import GatedMLP
from triptych.nn.quantised import (
    GROUP,
    Int4Linear,
    Int8Joint,
    Int8Linear,
    Int8Table,
    fits_int4,
    has_int8,
    joined,
    quantise_linear,
    to_int4,
    to_int8,
)
from triptych.nn.rotary import rotation_1d

needs_vnni = pytest.mark.skipif(not has_int8(), reason="this CPU has no VNNI instructions")


def weight(out_dim: int, in_dim: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(out_dim, in_dim, generator=torch.Generator().manual_seed(seed)) * 0.05


def test_eight_bits_are_off_by_half_a_level_at_most():
    given = weight(24, 50)
    levels, scale = to_int8(given)
    assert levels.abs().amax(dim=1).tolist() == [127] * 24
    assert torch.all((levels * scale[:, None] - given).abs() <= scale[:, None] * 0.5001)


def test_four_bits_are_off_by_half_a_level_and_what_bfloat16_rounds():
    given = weight(16, 3 * GROUP)
    levels, scale, middle = to_int4(given)
    assert levels.min() == 0 and levels.max() == 15
    groups = levels.reshape(16, 3, GROUP)
    back = (groups - 8) * scale[..., None] + middle[..., None]
    rounding = middle.abs()[..., None] / 128 + scale[..., None] * 0.1
    off = (back.reshape(16, -1) - given).abs().reshape(16, 3, GROUP)
    assert torch.all(off <= scale[..., None] * 0.5 + rounding)


def test_a_chunk_at_a_time_is_the_whole(monkeypatch):
    given = weight(33, 64)
    whole = [*to_int8(given), *to_int4(given)]
    monkeypatch.setattr(quantised, "_CHUNK", 5 * 64)
    for part, expected in zip([*to_int8(given), *to_int4(given)], whole, strict=True):
        assert torch.equal(part, expected)


def test_a_row_of_zeros_stays_zero():
    levels, scale = to_int8(torch.zeros(3, 8))
    assert not levels.any() and torch.isfinite(scale).all()


@needs_vnni
@pytest.mark.parametrize("shape", [(24, 50), (64, 64), (7, 300)])
def test_int8_multiplies_exactly_what_its_levels_say(shape):
    given, x = weight(*shape), torch.randn(5, shape[1])
    levels, scale = to_int8(given)
    row_scale = x.abs().amax(dim=1, keepdim=True) / 127
    expected = (x / row_scale).round().double() @ levels.double().T * scale * row_scale
    torch.testing.assert_close(Int8Linear(given)(x).double(), expected, rtol=1e-5, atol=1e-7)


@needs_vnni
def test_int8_does_not_saturate_at_the_largest_numbers():
    # Pairs of products beyond 16 bits: what CPUs without VNNI would cut off.
    given, x = torch.full((4, 64), 0.5), torch.full((2, 64), 3.0)
    torch.testing.assert_close(Int8Linear(given)(x), torch.full((2, 4), 96.0))
    torch.testing.assert_close(Int8Linear(-given)(x), torch.full((2, 4), -96.0))


@needs_vnni
@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_a_layer_is_near_what_it_was_made_of_in_every_kind_of_number(bits):
    given, bias, x = weight(48, 96), torch.randn(48), torch.randn(2, 7, 96)
    layer = quantise_linear(given, bits)
    layer.bias = torch.nn.Parameter(bias, requires_grad=False)
    assert isinstance(layer, Int4Linear if bits == "int4" else Int8Linear)
    expected = x @ given.T + bias
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        y = layer(x.to(dtype))
        assert y.dtype == dtype and y.shape == (2, 7, 48)
        # Worst of 20 seeds: 0.99990 in int8, 0.9970 in int4.
        cosine = torch.cosine_similarity(y.float().flatten(), expected.flatten(), dim=0)
        assert cosine > (0.9995 if bits == "int8" else 0.99)


@needs_vnni
@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_a_row_comes_out_the_same_alone_and_in_a_batch(bits):
    layer, x = quantise_linear(weight(32, 64), bits), torch.randn(9, 64)
    x[3] *= 100  # a loud neighbour
    together = layer(x)
    for row in range(9):
        assert torch.equal(layer(x[row : row + 1])[0], together[row])


@needs_vnni
def test_layers_of_one_input_are_the_same_as_one():
    shapes, x = [(24, 50), (8, 50), (8, 50)], torch.randn(3, 50)
    layers = [Int8Linear(weight(*shape, seed)) for seed, shape in enumerate(shapes)]
    layers[1].bias = torch.nn.Parameter(torch.randn(8), requires_grad=False)
    joint = joined(*layers)
    assert joint is not None
    assert torch.equal(joint(x), torch.cat([layer(x) for layer in layers], dim=-1))
    assert joint.memory_bytes == sum(layer.memory_bytes for layer in layers)
    assert joined(*layers, torch.nn.Linear(50, 8)) is None


def quantised_copy(module: torch.nn.Module) -> torch.nn.Module:
    """The same with all its linear layers in eight bits."""
    copy = deepcopy(module).requires_grad_(False)
    for name, layer in list(copy.named_children()):
        if isinstance(layer, torch.nn.Linear):
            setattr(copy, name, Int8Linear(layer.weight))
            getattr(copy, name).bias = layer.bias
    return copy


@needs_vnni
def test_joining_changes_nothing_but_the_number_of_products():
    torch.manual_seed(0)
    x, rotation = torch.randn(2, 5, 32), rotation_1d(torch.arange(5)[None], 8, 1e4)
    attention = quantised_copy(Attention(32, 4, num_kv_heads=2, qkv_bias=True))
    mlp = quantised_copy(GatedMLP(32, 48))
    before = attention(x, rotation=rotation, is_causal=True), mlp(x)
    attention.join()
    mlp.join()
    kinds = [type(each) for module in (attention, mlp) for each in module.children()]
    assert kinds.count(Int8Joint) == 2 and kinds.count(Int8Linear) == 2
    assert torch.equal(attention(x, rotation=rotation, is_causal=True), before[0])
    assert torch.equal(mlp(x), before[1])


@needs_vnni
def test_norms_between_a_product_and_its_heads_keep_it_apart():
    attention = quantised_copy(Attention(32, 4, qk_norm="rms"))
    attention.join()
    assert attention.joint is None and isinstance(attention.query, Int8Linear)


@needs_vnni
def test_a_table_looks_up_and_is_a_head():
    given, ids = weight(40, 24), torch.tensor([[0, 39], [7, 7]])
    table = Int8Table(given, torch.float32)
    levels, scale = to_int8(given)
    assert torch.equal(table(ids), (levels * scale[:, None])[ids])
    hidden = torch.randn(2, 3, 24)
    torch.testing.assert_close(table.head(hidden), Int8Linear(given)(hidden))
    assert Int8Table(given, torch.bfloat16)(ids).dtype == torch.bfloat16


@needs_vnni
def test_a_shape_that_four_bits_do_not_take_gets_eight():
    assert not fits_int4(16, 33) and not fits_int4(15, 32) and fits_int4(16, 32)
    assert isinstance(quantise_linear(weight(16, 33), "int4"), Int8Linear)
    assert isinstance(quantise_linear(weight(16, 64), "int4"), Int4Linear)


@needs_vnni
def test_memory_is_a_byte_and_five_bits_a_weight():
    assert Int8Linear(weight(64, 96)).memory_bytes == 64 * 96 + 64 * 12
    assert Int4Linear(weight(64, 96)).memory_bytes == 64 * 96 * 5 // 8
    assert Int8Table(weight(64, 96), torch.float32).memory_bytes == 2 * 64 * 96 + 64 * 16


@needs_vnni
def test_a_quantised_layer_is_neither_saved_nor_trained():
    layer = torch.nn.Sequential(Int8Linear(weight(4, 8)))
    with pytest.raises(UsageError, match="for running only; load it without --quantize"):
        layer.state_dict()
    with pytest.raises(UsageError, match="cannot be trained"):
        layer(torch.randn(1, 8, requires_grad=True))


def test_a_cpu_without_the_instructions_is_told(monkeypatch):
    monkeypatch.setattr(quantised, "has_int8", lambda: False)
    with pytest.raises(UsageError, match="int8 needs a CPU with VNNI instructions"):
        Int8Linear(weight(4, 8))
