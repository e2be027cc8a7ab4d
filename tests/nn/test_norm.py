"""Norms by their formulas, in float32 whatever they are given."""

import pytest
import torch

from triptych.nn.norm import OffsetRMSNorm, RMSNorm, make_norm


def test_rms_norm_divides_by_the_root_mean_square():
    norm = RMSNorm(2, eps=0.0)
    norm.weight.data = torch.tensor([1.0, 10.0])
    # the root of (9 + 16) / 2
    expected = torch.tensor([3.0, 40.0]) / 12.5**0.5
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0])), expected)


def test_eps_stands_under_the_root():
    norm = RMSNorm(1, eps=0.75)
    torch.testing.assert_close(norm(torch.tensor([0.5])), torch.tensor([0.5]))


def test_an_offset_norm_scales_by_one_more_than_its_weights():
    plain, offset = RMSNorm(4), OffsetRMSNorm(4)
    x = torch.randn(2, 4)
    torch.testing.assert_close(offset(x), plain(x))  # fresh ones scale by one
    offset.weight.data = torch.tensor([0.0, 1.0, -1.0, 0.5])
    plain.weight.data = torch.tensor([1.0, 2.0, 0.0, 1.5])
    torch.testing.assert_close(offset(x), plain(x))


@pytest.mark.parametrize("kind", ["rms", "rms_offset", "layer"])
def test_norms_are_computed_in_float32(kind):
    # The squares of these overflow float16 and their sum loses most digits in bfloat16.
    norm = make_norm(kind, 512, 1e-6)
    x = torch.randn(3, 512) * 300
    for dtype in (torch.float16, torch.bfloat16):
        low = x.to(dtype)
        computed = norm.to(dtype)(low)
        assert computed.dtype == dtype
        exact = norm.float()(low.float())
        torch.testing.assert_close(computed, exact.to(dtype), rtol=0.008, atol=1e-6)


def test_make_norm_makes_the_kind_named():
    assert type(make_norm("rms", 4, 1e-5)) is RMSNorm
    assert isinstance(make_norm("rms_offset", 4, 1e-5), OffsetRMSNorm)
    layer = make_norm("layer", 4, 1e-5)
    assert isinstance(layer, torch.nn.LayerNorm) and layer.eps == 1e-5


@pytest.mark.parametrize("kind", ["rms", "rms_offset"])
def test_the_gradients_of_an_rms_norm_are_those_of_torch(kind):
    torch.manual_seed(0)
    norm = make_norm(kind, 12, 1e-5)
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(3, 12, 2).transpose(1, 2).requires_grad_()
    y, weight = (each.detach().clone().requires_grad_() for each in (x, norm.weight))
    scale = weight + 1 if kind == "rms_offset" else weight
    upstream = torch.randn(3, 2, 12)
    norm(x).backward(upstream)
    torch.nn.functional.rms_norm(y, (12,), scale, 1e-5).backward(upstream)
    torch.testing.assert_close([x.grad, norm.weight.grad], [y.grad, weight.grad])
