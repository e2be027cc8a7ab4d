"""AdamW over the panels that move, and the learning rate over the steps."""

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import nn

from triptych.adapters import adapted_layers, freeze_but_changes
from triptych.errors import ConfigError
from triptych.fusion.vlm import PANELS
from triptych.train.config import PanelRates, TrainConfig
from triptych.train.muon import Muon
from triptych.train.passes import Trained
from triptych.train.splitting import is_split


def panels_of(model: Trained) -> list[str]:
    """The panels that a model has."""
    return [panel for panel in PANELS if hasattr(model, panel)]


def freeze(model: Trained, rates: PanelRates) -> None:
    """Let only the panels with a learning rate move, and only the adapters of those that have some.

    Raises:
        ConfigError: a panel has a learning rate that the model has not got.
    """
    for panel in PANELS:
        if getattr(rates, panel) and not hasattr(model, panel):
            raise ConfigError(
                f"learning_rates has {panel}={getattr(rates, panel)}, but this model has no such "
                f"panel; it has {', '.join(panels_of(model))}"
            )
    for panel in panels_of(model):
        module, moves = getattr(model, panel), getattr(rates, panel) > 0
        module.requires_grad_(moves)
        if moves and adapted_layers(module):
            freeze_but_changes(module)


def set_training(model: Trained, rates: PanelRates) -> None:
    """Training mode for the panels that move, evaluation mode for the frozen ones."""
    model.train()
    for panel in panels_of(model):
        if getattr(rates, panel) == 0:
            getattr(model, panel).eval()


def trained_parameters(model: Trained) -> dict[str, nn.Parameter]:
    """Every parameter that moves, by name."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def build_optimizer(model: Trained, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer with one group for each panel and each kind of decay.

    Raises:
        ConfigError: nothing would be trained.
    """
    groups = list(_groups(model, config))
    if not groups:
        raise ConfigError("no panel has a learning rate above 0, so nothing would be trained")
    betas = (config.beta_1, config.beta_2)
    if config.optimizer == "muon":
        return Muon(groups, betas)
    return torch.optim.AdamW(groups, betas=betas, eps=1e-8, fused=True)


def _groups(model: Trained, config: TrainConfig) -> Iterator[dict[str, object]]:
    is_muon = config.optimizer == "muon"
    for panel in panels_of(model):
        rate = getattr(config.learning_rates, panel)
        moving = {
            name: parameter
            for name, parameter in getattr(model, panel).named_parameters()
            if parameter.requires_grad
        }
        for decays, is_matrix, split in product((True, False), repeat=3):
            # What is split over ranks and what is not go through the optimizer one after the other.
            kind = (decays, is_matrix, split)
            chosen = [
                each
                for name, each in moving.items()
                if (_decays(name, each), _is_matrix(name, each), is_split(each)) == kind
            ]
            if chosen and rate:
                peak = rate * (config.matrix_boost if is_matrix and is_muon else 1.0)
                yield {
                    "params": chosen,
                    "lr": peak,
                    "peak": peak,
                    "weight_decay": config.weight_decay if decays else 0.0,
                    "is_matrix": is_matrix,
                }


def _decays(name: str, parameter: nn.Parameter) -> bool:
    # Learned positions, queries and latents are tables of vectors and are not called `weight`. Nor
    # are adapters, whose decay would be one towards the base.
    return parameter.ndim >= 2 and name.endswith("weight") and "embedding" not in name


def _is_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether it maps hidden states to hidden states inside a block."""
    return ".blocks." in f".{name}" and parameter.ndim == 2 and name.endswith("weight")


def rate_factor(step: int, num_steps: int, config: TrainConfig) -> float:
    """Learning rate of step 0, 1, ... as a share of its peak."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "trapezoid":
        left = min(1.0, (num_steps - step) / max(1, config.decay_steps))
        return config.final_rate + (1 - config.final_rate) * left
    progress = (step - config.warmup_steps) / max(1, num_steps - config.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return config.final_rate + (1 - config.final_rate) * cosine


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's peak rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
