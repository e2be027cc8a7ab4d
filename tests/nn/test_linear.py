"""One product, two libraries: the same numbers, gradients wherever they are wanted."""

import pytest
import torch
from torch.nn import functional

from triptych.nn import linear as layers
from triptych.nn.linear import Linear, learns, linear


@pytest.fixture
def is_always_large(monkeypatch):
    monkeypatch.setattr(layers, "SMALL", 1)


@pytest.fixture
def calls(monkeypatch) -> list[tuple[int, ...]]:
    """Shapes of the products that oneDNN was given."""
    seen: list[tuple[int, ...]] = []
    suits = layers._suits_onednn

    def spy(hidden, weight):
        answer = suits(hidden, weight)
        if answer:
            seen.append((hidden.numel() // hidden.shape[-1], *weight.shape))
        return answer

    monkeypatch.setattr(layers, "_suits_onednn", spy)
    return seen


@pytest.mark.parametrize("rows", [(1, 1), (2, 3), (1, 40)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_both_libraries_say_the_same(rows, has_bias, is_always_large, calls):
    torch.manual_seed(0)
    layer, x = Linear(24, 48, bias=has_bias), torch.randn(*rows, 24)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), functional.linear(x, layer.weight, layer.bias))
    assert calls == [(rows[0] * rows[1], 48, 24)]


@pytest.mark.parametrize("count", [1, 3, 31, 33, 64, 100, 255, 256, 300, 2048, 2049, 2400, 5000])
def test_any_number_of_rows_is_multiplied_whole(count, is_always_large):
    torch.manual_seed(0)
    layer, x = Linear(8, 12), torch.randn(count, 8)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), functional.linear(x, layer.weight, layer.bias))


def test_onednn_meets_few_numbers_of_rows(monkeypatch, is_always_large):
    met: set[int] = set()
    onednn = layers._onednn

    def spy(rows, weight, bias):
        met.add(len(rows))
        return onednn(rows, weight, bias)

    monkeypatch.setattr(layers, "_onednn", spy)
    weight = torch.ones(8, 8)
    for count in range(1, 4200, 3):
        linear(torch.ones(count, 8), weight)
    assert met <= set(layers.SIZES)
    assert len(met) <= 26


def test_inputs_may_lie_in_any_order(is_always_large, calls):
    x, weight = torch.randn(24, 2, 5).permute(1, 2, 0), torch.randn(48, 24)
    with torch.no_grad():
        torch.testing.assert_close(linear(x, weight), functional.linear(x, weight))
    assert calls


@pytest.mark.parametrize("least_rows", [1, 100])
@pytest.mark.parametrize("frozen", ["nothing", "weight", "bias", "input"])
def test_gradients_are_those_of_torch(least_rows, frozen, is_always_large, calls, monkeypatch):
    monkeypatch.setattr(layers, "LEARNING_ROWS", least_rows)
    torch.manual_seed(0)
    layer = Linear(8, 12)
    x = torch.randn(2, 5, 8, requires_grad=frozen != "input")
    for name in ("weight", "bias"):
        getattr(layer, name).requires_grad_(frozen != name)
    others = [
        each.detach().requires_grad_(each.requires_grad) for each in (x, layer.weight, layer.bias)
    ]
    layer(x).square().sum().backward()
    functional.linear(*others).square().sum().backward()
    for own, other in zip((x, layer.weight, layer.bias), others, strict=True):
        assert (own.grad is None) == (other.grad is None)
        if own.grad is not None:
            torch.testing.assert_close(own.grad, other.grad)
    by_onednn = least_rows == 1 and frozen != "input"
    assert calls == [(10, 12, 8)] + [(10, 8, 12)] * by_onednn


def test_a_gradient_that_lies_in_no_order_and_one_of_a_gradient(is_always_large, monkeypatch):
    monkeypatch.setattr(layers, "LEARNING_ROWS", 1)
    x, weight = torch.randn(3, 8, requires_grad=True), torch.randn(12, 8, requires_grad=True)
    found = []
    for product in (linear, functional.linear):
        first = torch.autograd.grad(product(x, weight).t().sum(), x)[0]  # one number everywhere
        inner = torch.autograd.grad(product(x, weight).square().sum(), x, create_graph=True)[0]
        found.append([first, *torch.autograd.grad(inner.square().sum(), (x, weight))])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_small_products_stay_with_torch_and_single_rows_of_wide_weights_on_one_thread(monkeypatch):
    monkeypatch.setattr(layers, "SMALL", 64)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    suits = layers._suits_onednn
    assert suits(torch.ones(1, 8), torch.ones(8, 8))
    assert not suits(torch.ones(1, 7), torch.ones(8, 7))
    assert not suits(torch.ones(1, 16), torch.ones(8, 16))
    assert suits(torch.ones(2, 16), torch.ones(8, 16))
    assert not suits(torch.ones(0, 16), torch.ones(8, 16))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert suits(torch.ones(1, 16), torch.ones(8, 16))
    assert not suits(torch.ones(1, 7), torch.ones(8, 7))


def test_other_numbers_places_and_autocast_stay_with_torch(is_always_large):
    x, weight = torch.ones(2, 8), torch.ones(8, 8)
    suits = layers._suits_onednn
    assert suits(x, weight)
    assert not suits(x.bfloat16(), weight.bfloat16())
    assert not suits(x.to("meta"), weight.to("meta"))
    with torch.autocast("cpu", torch.bfloat16):
        assert not suits(x, weight)
        assert linear(x, weight).dtype == torch.bfloat16


def test_what_learns_is_what_has_gradients_while_they_are_wanted():
    plain, learning = torch.ones(1), torch.ones(1, requires_grad=True)
    assert learns(plain, None, learning) and not learns(plain, None)
    with torch.no_grad():
        assert not learns(learning)
