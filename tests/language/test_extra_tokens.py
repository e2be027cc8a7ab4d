"""Tokens with tables of their own: the same model as with one table, but trained apart."""

from dataclasses import replace

import pytest
import torch

from triptych.errors import ConfigError
from triptych.language import Decoder, DecoderConfig

ONE = DecoderConfig(vocab_size=50, dim=24, depth=2, num_heads=4, num_kv_heads=2, ffn_dim=40)
IDS = torch.tensor([[0, 49, 3, 46, 47], [48, 1, 2, 47, 5]])


def pair(tied: bool) -> tuple[Decoder, Decoder]:
    """One table, and the same numbers with the last three rows apart."""
    torch.manual_seed(0)
    whole = replace(ONE, tied=tied).build().eval()
    state = whole.state_dict()
    for table, extra in (("embedding", "extra_embedding"), ("lm_head", "extra_head")):
        if f"{table}.weight" in state:
            rows = state[f"{table}.weight"]
            state[f"{table}.weight"], state[f"{extra}.weight"] = rows[:47], rows[47:]
    apart = replace(ONE, tied=tied, extra_tokens=3).build().eval()
    apart.load_state_dict(state)
    return whole, apart


@pytest.mark.parametrize("tied", [False, True], ids=["two heads", "tied"])
@torch.no_grad()
def test_tables_apart_say_the_same_as_one(tied):
    whole, apart = pair(tied)
    positions = torch.arange(5).expand(2, -1)
    assert torch.equal(whole.embed(IDS), apart.embed(IDS))
    logits = [each.head(each(each.embed(IDS), position_ids=positions)) for each in (whole, apart)]
    assert logits[1].shape == (2, 5, 50)
    torch.testing.assert_close(*logits)


def test_extra_tokens_learn_while_the_others_are_frozen():
    _, apart = pair(tied=False)
    for name, parameter in apart.named_parameters():
        parameter.requires_grad_("extra" in name)
    hidden = apart(apart.embed(IDS), position_ids=torch.arange(5).expand(2, -1))
    apart.head(hidden).square().sum().backward()
    learned = {name for name, each in apart.named_parameters() if each.grad is not None}
    assert learned == {"extra_embedding.weight", "extra_head.weight"}
    assert apart.extra_embedding.weight.grad.abs().sum(dim=1).min() > 0


@pytest.mark.parametrize(
    "changes", [{"extra_tokens": -1}, {"extra_tokens": 50}, {"extra_tokens": 1, "head_bias": True}]
)
def test_impossible_tables_are_refused(changes):
    with pytest.raises(ConfigError, match="extra_tokens must be at least 0"):
        replace(ONE, **changes)
