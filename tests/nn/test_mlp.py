"""Activations by their formulas, and the two kinds of feed-forward layer by hand."""

import math

import pytest
import torch

from triptych.nn.mlp import MLP, GatedMLP, activate

FORMULAS = {
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "quick_gelu": lambda x: x / (1 + math.exp(-1.702 * x)),
    "relu": lambda x: max(x, 0.0),
    "squared_relu": lambda x: max(x, 0.0) ** 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_activations_follow_their_formulas(name):
    numbers = [-3.0, -1.0, -0.1, 0.0, 0.5, 2.0, 3.0]
    expected = torch.tensor([FORMULAS[name](x) for x in numbers])
    torch.testing.assert_close(activate(torch.tensor(numbers), name), expected)


@pytest.mark.parametrize("name", FORMULAS)
def test_an_activation_that_overwrites_says_the_same(name):
    x = torch.randn(7, 5)
    expected = activate(x.clone(), name)
    torch.testing.assert_close(activate(x, name, may_overwrite=True), expected)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("kind", [MLP, GatedMLP])
def test_an_mlp_says_the_same_with_and_without_a_gradient(kind, name):
    mlp, x = kind(4, 12, name), torch.randn(3, 4)
    before, learnt = x.clone(), mlp(x)
    with torch.no_grad():
        torch.testing.assert_close(mlp(x), learnt)
    assert learnt.requires_grad and torch.equal(x, before)
    learnt.sum().backward()
    assert all(each.grad is not None and each.grad.any() for each in mlp.parameters())


def test_an_mlp_widens_activates_and_narrows():
    mlp = MLP(2, 3, "squared_relu", out_dim=1)
    x = torch.randn(4, 2)
    inner = (x @ mlp.up.weight.T + mlp.up.bias).clamp(min=0) ** 2
    torch.testing.assert_close(mlp(x), inner @ mlp.down.weight.T + mlp.down.bias)


def test_a_gated_mlp_multiplies_the_activated_gate_with_the_other_half():
    mlp = GatedMLP(2, 3)
    x = torch.randn(4, 2)
    gate, up = x @ mlp.gate.weight.T, x @ mlp.up.weight.T
    expected = (gate * gate.sigmoid() * up) @ mlp.down.weight.T
    torch.testing.assert_close(mlp(x), expected)


def test_biases_are_there_when_asked_for():
    def biases(mlp):
        return {name for name, _ in mlp.named_parameters() if name.endswith("bias")}

    assert biases(MLP(2, 3, "relu")) == {"up.bias", "down.bias"}
    assert biases(MLP(2, 3, "relu", bias=False)) == set()
    assert biases(GatedMLP(2, 3)) == set()
    assert biases(GatedMLP(2, 3, bias=True)) == {"gate.bias", "up.bias", "down.bias"}


@pytest.mark.parametrize(
    "mlp", [MLP(8, 64, "relu", dropout=0.5), GatedMLP(8, 64, dropout=0.5)], ids=["plain", "gated"]
)
def test_dropout_acts_in_training_only(mlp):
    x = torch.randn(1, 8)
    assert not torch.equal(mlp.train()(x), mlp(x))
    assert torch.equal(mlp.eval()(x), mlp(x))


def test_swiglu_has_the_gradients_of_its_formula():
    torch.manual_seed(0)
    mlp, hidden = GatedMLP(6, 10), torch.randn(4, 6, requires_grad=True)
    mlp(hidden).square().sum().backward()
    found = [hidden.grad, *(each.grad for each in mlp.parameters())]
    again = hidden.detach().clone().requires_grad_()
    mlp.zero_grad()
    wide = torch.nn.functional.silu(mlp.gate(again)) * mlp.up(again)
    mlp.down(wide).square().sum().backward()
    expected = [again.grad, *(each.grad for each in mlp.parameters())]
    for own, plain in zip(found, expected, strict=True):
        assert torch.equal(own, plain)


def test_of_the_wide_tensors_of_swiglu_three_are_kept():
    mlp, hidden = GatedMLP(6, 10), torch.randn(4, 6, requires_grad=True)
    kept = set[int]()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape == (4, 10):
            kept.add(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        mlp(hidden)
    assert len(kept) == 3
