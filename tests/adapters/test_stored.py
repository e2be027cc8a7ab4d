"""Weights in few bits that gradients pass: what is learned over them fits the rounded weights."""

import pytest
import torch
from tests.adapters.small_models import Toy, logits, stir
from tests.train.tiny_run import tiny_run
from torch import Tensor, nn

from triptych.adapters import LoraConfig, adapted_layers, attach, merge, round_base
from triptych.nn import stored
from triptych.nn.lora import LoraLinear
from triptych.nn.quantised import GROUP, to_int4, to_int8
from triptych.nn.stored import StoredLinear

SIZES = [(64, 48, "int8", "int8"), (64, 48, "int4", "int4"), (40, 24, "int4", "int8")]
"""Inputs, outputs, bits asked for, bits there are: 40 inputs are no whole number of groups."""


def drawn(in_dim: int, out_dim: int) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(in_dim, out_dim)


def learned(layer: LoraLinear) -> tuple[Tensor, dict[str, Tensor]]:
    """Output and gradients for drawn inputs, that of the inputs among them."""
    draw = torch.Generator().manual_seed(2)
    layer.up.data = torch.randn(layer.up.shape, generator=draw)
    width = layer.down.shape[1]
    hidden = torch.randn(5, 3, width, generator=draw).requires_grad_()
    out = layer(hidden)
    (out * torch.randn(out.shape, generator=draw)).sum().backward()
    found = {"hidden": hidden.grad, "down": layer.down.grad, "up": layer.up.grad}
    assert all(each is not None and each.abs().sum() > 0 for each in found.values())
    return out.detach(), {name: each for name, each in found.items() if each is not None}


def over(base: nn.Linear | StoredLinear) -> LoraLinear:
    return LoraLinear(base, 4, 8.0, 0.0, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("block", [1 << 22, 640])
def test_gradients_are_those_of_adapters_over_the_rounded_weight(size, block, monkeypatch):
    monkeypatch.setattr(stored, "BLOCK", block)
    in_dim, out_dim, bits, kept = size
    layer = StoredLinear(drawn(in_dim, out_dim), bits)
    assert layer.bits == kept
    plain = layer.plain().requires_grad_(False)
    out, found = learned(over(layer))
    expected_out, expected = learned(over(plain))
    # Blocks are added up in another order: at most 2e-6 at numbers of up to 20.
    torch.testing.assert_close(out, expected_out, rtol=1e-6, atol=4e-6)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=4e-6)


def test_eight_bits_are_levels_times_the_scale_of_their_output():
    plain = drawn(64, 48)
    levels, scale = to_int8(plain.weight.detach())
    assert torch.equal(StoredLinear(plain, "int8").plain().weight, levels.float() * scale[:, None])


def test_four_bits_are_the_levels_of_their_group_two_a_byte():
    plain = drawn(64, 48)
    levels, scale, middle = to_int4(plain.weight.detach())
    grouped = (levels.view(48, -1, GROUP) - 8) * scale[..., None] + middle[..., None]
    layer = StoredLinear(plain, "int4")
    assert torch.equal(layer.plain().weight, grouped.flatten(1))
    assert layer.get_buffer("levels").nbytes == 64 * 48 // 2


@pytest.mark.parametrize(("bits", "share"), [("int8", 0.26), ("int4", 0.16)])
def test_the_weights_take_a_quarter_and_less(bits, share):
    # Of int8 a byte a weight and a float an output; of int4 four bits and four bytes a group.
    plain = drawn(512, 256)
    assert StoredLinear(plain, bits).memory_bytes <= share * plain.weight.nbytes


def test_in_half_precision_it_multiplies_as_a_plain_layer_does():
    layer = StoredLinear(drawn(64, 48), "int4")
    hidden = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = layer(hidden), layer.plain()(hidden)
    assert found.dtype == torch.bfloat16
    # The bias is added after rounding instead of before.
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_every_linear_layer_of_an_adapted_panel_is_stored_but_the_head(bits):
    model = Toy()
    attach(model, LoraConfig(rank=2, language=("up",), base_bits=bits), seed=0)
    kinds = {name: type(each).__name__ for name, each in model.named_modules()}
    assert kinds["language.up"] == "LoraLinear"
    assert kinds["language.up.base"] == kinds["language.subquery"] == "StoredLinear"
    assert kinds["language.lm_head"] == kinds["vision.query"] == "Linear"


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_merged_it_computes_what_was_trained(bits):
    run = tiny_run()
    exact = logits(run)
    attach(run.model, LoraConfig(rank=3, base_bits=bits), seed=0)
    stir(run.model)
    apart = logits(run)
    merge(run.model)
    assert not adapted_layers(run.model)
    assert not torch.equal(logits(run), exact)
    torch.testing.assert_close(logits(run), apart, rtol=0, atol=2e-6)


def test_rounding_the_base_gives_what_fresh_adapters_are_hung_on():
    trained, rounded = tiny_run(), tiny_run()
    config = LoraConfig(rank=3, base_bits="int4")
    attach(trained.model, config, seed=0)
    merge(trained.model)
    round_base(rounded.model, config)
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(rounded.model.state_dict()[name], tensor), name
