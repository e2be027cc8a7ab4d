"""Adapters on linear layers: what they compute, which layers have them, what moves."""

from dataclasses import replace

import pytest
import torch
from tests.adapters.small_models import Toy, logits, stir
from tests.train.tiny_run import tiny_run
from torch import nn

from triptych.adapters import LoraConfig, adapted_layers, attach, merge
from triptych.errors import ConfigError, UsageError
from triptych.nn.lora import LoraLinear
from triptych.train import PanelRates
from triptych.train.optimizer import freeze, trained_parameters

EVERYWHERE = LoraConfig(
    rank=3, vision=("all",), connector=("up",), language=("attention.query", "down")
)


@pytest.mark.parametrize("config", [LoraConfig(rank=3), EVERYWHERE], ids=["language", "all"])
def test_fresh_adapters_change_nothing_bit_for_bit(config):
    run = tiny_run()
    before = logits(run)
    attach(run.model, config, seed=0)
    assert adapted_layers(run.model)
    assert torch.equal(logits(run), before)


def test_an_adapter_adds_its_scaled_product():
    base, draw = nn.Linear(3, 2), torch.Generator().manual_seed(0)
    layer = LoraLinear(base, rank=2, alpha=6.0, dropout=0.0, generator=draw)
    layer.up.data = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    layer.down.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    hidden = torch.tensor([[1.0, 10.0, 100.0]])
    # down gives (1, 110), up (221, -110), and 6 / 2 makes it three times as much.
    expected = base(hidden) + torch.tensor([[663.0, -330.0]])
    torch.testing.assert_close(layer(hidden), expected, rtol=0, atol=0)


def test_merged_computes_what_it_did_before():
    run = tiny_run()
    names = list(run.model.state_dict())
    fresh = logits(run)
    attach(run.model, EVERYWHERE, seed=0)
    stir(run.model)
    apart = logits(run)
    merge(run.model)
    assert list(run.model.state_dict()) == names
    assert not adapted_layers(run.model)
    assert float((apart - fresh).abs().max()) > 1e-3
    torch.testing.assert_close(logits(run), apart, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["language.up", "language.subquery"]),
        ({"language": ("query",), "vision": ("query",)}, None),
        ({"language": ("up",), "vision": ("query",)}, ["vision.query", "language.up"]),
        ({"language": (), "vision": ("all",)}, ["vision.query", "vision.key"]),
        ({"language": ("lm_head",)}, ["language.lm_head"]),
        (
            {"language": ("all", "lm_head")},
            ["language.up", "language.subquery", "language.lm_head"],
        ),
    ],
)
def test_layers_are_chosen_by_the_ends_of_their_names(settings, expected):
    model, config = Toy(), LoraConfig(rank=2, **settings)
    if expected is None:
        with pytest.raises(ConfigError, match="no linear layer of language is called 'query'"):
            attach(model, config, seed=0)
    else:
        attach(model, config, seed=0)
        assert list(adapted_layers(model)) == expected


def test_only_changes_and_panels_without_adapters_move():
    run = tiny_run()
    attach(run.model, replace(EVERYWHERE, connector=()), seed=0, whole=("connector",))
    freeze(run.model, PanelRates(vision=1e-3, connector=1e-3))
    moving = list(trained_parameters(run.model))
    vision = [name for name in adapted_layers(run.model) if name.startswith("vision")]
    whole = [f"connector.{name}" for name, _ in run.model.connector.named_parameters()]
    assert moving == [f"{name}.{half}" for name in vision for half in ("down", "up")] + whole
    freeze(run.model, PanelRates(language=1e-3))
    assert all(name.endswith((".down", ".up")) for name in trained_parameters(run.model))
    assert all(name.startswith("language") for name in trained_parameters(run.model))


def test_dropout_of_an_adapter_is_for_training_and_leaves_the_base_alone():
    base, draw = nn.Linear(64, 1), torch.Generator().manual_seed(0)
    layer = LoraLinear(base, rank=1, alpha=1.0, dropout=0.5, generator=draw)
    hidden = torch.ones(1, 64)
    assert torch.equal(layer.train()(hidden), base(hidden))
    layer.up.data.fill_(1.0)
    assert not torch.equal(layer(hidden), layer(hidden))
    assert torch.equal(layer.eval()(hidden), layer(hidden))


def test_fresh_adapters_depend_on_the_seed_alone():
    first, again, other = Toy(), Toy(), Toy()
    for model, seed in ((first, 1), (again, 1), (other, 2)):
        torch.rand(seed)
        attach(model, LoraConfig(rank=2), seed=seed)
    halves = [model.language["up"].down for model in (first, again, other)]
    assert torch.equal(halves[0], halves[1])
    assert not torch.equal(halves[0], halves[2])


def test_adapters_on_adapters_are_refused():
    model = Toy()
    attach(model, LoraConfig(rank=2), seed=0)
    with pytest.raises(UsageError, match="merge them before attaching others"):
        attach(model, LoraConfig(rank=2), seed=0)


def test_a_panel_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"lora\.fusion names layers, but .* vision, language"):
        attach(Toy(), LoraConfig(rank=2, fusion=("all",)), seed=0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rank": -1}, "rank must be at least 0"),
        ({"alpha": 0.0}, "alpha must be above 0"),
        ({"dropout": 1.0}, r"dropout of adapters must be in \[0, 1\)"),
        ({"rank": 2, "language": ()}, "no layer to adapt"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        LoraConfig(**settings)
