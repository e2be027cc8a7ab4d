"""The pre-norm block: two branches, each normalised, scaled, dropped and added."""

import torch

from triptych.nn.attention import Attention
from triptych.nn.block import Block
from triptych.nn.mlp import MLP, GatedMLP


def build(**options):
    torch.manual_seed(0)
    return Block(Attention(8, 2), MLP(8, 16, "gelu"), **options)


def test_each_branch_is_added_to_what_came_in():
    block, hidden = build(), torch.randn(2, 5, 8)
    middle = hidden + block.attention(block.norm_1(hidden), is_causal=True)
    expected = middle + block.mlp(block.norm_2(middle))
    torch.testing.assert_close(block(hidden, is_causal=True), expected)


def test_layer_scale_weighs_each_channel_of_both_branches():
    block, hidden = build(layer_scale=0.1), torch.randn(2, 5, 8)
    assert torch.equal(block.scale_1, torch.full((8,), 0.1))
    block.scale_1.data = torch.arange(8.0)
    block.scale_2.data = torch.arange(8.0) / 10
    middle = hidden + torch.arange(8.0) * block.attention(block.norm_1(hidden))
    expected = middle + torch.arange(8.0) / 10 * block.mlp(block.norm_2(middle))
    torch.testing.assert_close(block(hidden), expected)


def test_without_layer_scale_there_are_no_such_parameters():
    names = {name.split(".")[0] for name, _ in build().named_parameters()}
    assert names == {"norm_1", "attention", "norm_2", "mlp"}


def test_everything_dropped_leaves_the_input():
    block, hidden = build(dropout=1.0).train(), torch.randn(2, 5, 8)
    assert torch.equal(block(hidden), hidden)
    assert not torch.equal(block.eval()(hidden), hidden)


def test_norms_are_of_the_kind_and_eps_asked_for():
    block = Block(Attention(8, 2), GatedMLP(8, 16), norm="rms", norm_eps=1e-3)
    for norm in (block.norm_1, block.norm_2):
        assert type(norm).__name__ == "RMSNorm" and norm.eps == 1e-3


def test_a_context_goes_to_attention():
    block = Block(Attention(8, 2, context_dim=6), MLP(8, 16, "gelu"))
    hidden, context = torch.randn(2, 5, 8), torch.randn(2, 3, 6)
    middle = hidden + block.attention(block.norm_1(hidden), context=context)
    expected = middle + block.mlp(block.norm_2(middle))
    torch.testing.assert_close(block(hidden, context=context), expected)


def test_norms_that_come_last_normalise_each_sum():
    block, hidden = build(norm_last=True), torch.randn(2, 5, 8)
    middle = block.norm_1(hidden + block.attention(hidden, is_causal=True))
    expected = block.norm_2(middle + block.mlp(middle))
    torch.testing.assert_close(block(hidden, is_causal=True), expected)
