"""Norms of panels make up the norm of all, and clipping is torch's."""

import copy

import pytest
import torch
from tests.train.tiny_run import tiny_run
from torch import nn

from triptych.architectures import find_architecture
from triptych.fusion.vlm import VLM
from triptych.objectives.language_modelling import language_modelling
from triptych.train.norms import clip_gradients, gates_of
from triptych.train.optimizer import trained_parameters


@pytest.fixture
def model() -> VLM:
    run = tiny_run()
    batch = run.processor.collate([run.source.sample(0, torch.Generator())])
    language_modelling(run.model, batch).total.backward()
    return run.model


@pytest.mark.parametrize("largest", [0.01, 1e6])
def test_clipping_is_that_of_torch(model: VLM, largest: float) -> None:
    other = copy.deepcopy(model)
    for name, parameter in model.named_parameters():
        dict(other.named_parameters())[name].grad = (
            None if parameter.grad is None else parameter.grad.clone()
        )
    whole = nn.utils.clip_grad_norm_(trained_parameters(other).values(), largest)
    norms = clip_gradients(model, largest)
    assert norms.whole == pytest.approx(float(whole), rel=1e-6)
    for name, parameter in other.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(
                dict(model.named_parameters())[name].grad, parameter.grad, rtol=1e-6, atol=1e-9
            )


def test_each_panel_has_the_norm_of_its_own_gradients(model: VLM) -> None:
    def norm(*modules: nn.Module) -> float:
        squares = [
            p.grad.square().sum() for m in modules for p in m.parameters() if p.grad is not None
        ]
        return float(torch.stack(squares).sum().sqrt())

    expected = {
        "vision": norm(model.vision),
        "connector": norm(model.connector),
        "language": norm(model.language),
    }
    norms = clip_gradients(model, 1e-3)
    assert norms.panels == pytest.approx(expected)
    assert sum(each**2 for each in norms.panels.values()) == pytest.approx(norms.whole**2)


def test_a_frozen_panel_has_none(model: VLM) -> None:
    model.vision.requires_grad_(False)
    assert list(clip_gradients(model, 1.0).panels) == ["connector", "language"]


def test_a_gradient_that_is_no_number_is_seen_in_its_panel(model: VLM) -> None:
    next(model.vision.parameters()).grad.fill_(torch.nan)
    norms = clip_gradients(model, 1.0)
    assert norms.panels["vision"] != norms.panels["vision"] and norms.whole != norms.whole
    assert norms.panels["connector"] == norms.panels["connector"]


def test_only_gated_models_have_gates(model: VLM) -> None:
    assert gates_of(model) == {}
    gated = find_architecture("flamingo_debug").build(0)
    gates = gates_of(gated)
    assert set(gates.values()) == {0.0}  # shut in the beginning
    layer = next(iter(gated.fusion.blocks))
    gated.fusion.blocks[layer].mlp_gate.data.fill_(0.5)
    opened = {name: value for name, value in gates_of(gated).items() if value}
    assert opened == {f"gate_mlp_{layer}": pytest.approx(0.46212, abs=1e-4)}
