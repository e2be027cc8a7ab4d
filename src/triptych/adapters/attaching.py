"""Hanging adapters on a model, and making one weight of the two again.

attach    linear layers become `LoraLinear`, their weights stored in fewer bits if asked for
merge     each becomes a plain layer again that computes the same
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from triptych.adapters.config import ALL, LoraConfig
from triptych.adapters.fingerprint import fingerprint
from triptych.errors import ConfigError, UsageError, nearest
from triptych.fusion.vlm import PANELS
from triptych.nn.lora import LoraLinear
from triptych.nn.stored import StoredLinear

HEADS = ("lm_head", "extra_head")
"""Layers that `all` leaves out: a change to thousands of words is as large as a table."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """A model with adapters, and what it was before."""

    model: nn.Module
    config: LoraConfig
    whole: tuple[str, ...]
    """Panels that are trained as a whole beside the adapters."""
    fingerprints: Mapping[str, str]
    """Of the weights of all other panels, before anything was attached."""

    def state(self) -> dict[str, Tensor]:
        """All that is trained, under the names of the model's modules, as PEFT calls the parts:
        `MODULE.lora_A.weight` and `lora_B` of adapters, panels trained as a whole entire."""
        state: dict[str, Tensor] = {}
        for name, layer in adapted_layers(self.model).items():
            state[f"{name}.lora_A.weight"] = layer.down.detach()
            state[f"{name}.lora_B.weight"] = layer.up.detach()
        for panel in self.whole:
            part = cast(nn.Module, getattr(self.model, panel))
            state |= {f"{panel}.{name}": each for name, each in part.state_dict().items()}
        return state


def attach(model: nn.Module, config: LoraConfig, seed: int, whole: Sequence[str] = ()) -> Adapters:
    """Hang fresh adapters on a model, in place; what it computes is unchanged bit for bit, but for
    weights that are brought into fewer bits.

    Args:
        model: With panels.
        config: Which layers, and how.
        seed: Of the fresh adapters.
        whole: Panels without adapters that will be trained, too.

    Raises:
        ConfigError: a panel has no linear layer of such a name, or there is no such panel.
        UsageError: the model has adapters already, or is quantised.
    """
    if adapted_layers(model):
        raise UsageError("the model has adapters already; merge them before attaching others")
    others = [panel for panel in _panels(model) if panel not in whole]
    prints = {panel: fingerprint(getattr(model, panel)) for panel in others}
    generator = torch.Generator().manual_seed(seed)
    chosen = {panel: _chosen(model, panel, config.of(panel)) for panel in config.panels}
    store_base(model, config)
    for panel in config.panels:
        for name in chosen[panel]:
            base = model.get_submodule(name)
            assert isinstance(base, nn.Linear | StoredLinear)
            adapted = LoraLinear(base, config.rank, config.alpha, config.dropout, generator)
            _put(model, name, adapted)
    return Adapters(model, config, tuple(whole), prints)


def store_base(model: nn.Module, config: LoraConfig) -> None:
    """Bring the linear layers of adapted panels into fewer bits, if that is asked for."""
    if config.base_bits == "none":
        return
    for panel in config.panels:
        for name in _linear_layers(model, panel):
            layer = model.get_submodule(name)
            if not _is_head(name) and isinstance(layer, nn.Linear):
                _put(model, name, StoredLinear(layer, config.base_bits))


def round_base(model: nn.Module, config: LoraConfig) -> None:
    """Give the linear layers of adapted panels the weights that fewer bits leave of them."""
    store_base(model, config)
    _restore(model)


def merge(model: nn.Module) -> None:
    """Make plain layers of a model's adapters, in place; it computes the same within rounding."""
    for name, layer in adapted_layers(model).items():
        _put(model, name, layer.merged())
    _restore(model)


def adapted_layers(module: nn.Module) -> dict[str, LoraLinear]:
    """The layers with adapters, by name."""
    return {name: each for name, each in _named(module) if isinstance(each, LoraLinear)}


def freeze_but_changes(panel: nn.Module) -> None:
    """Let only the adapters of a panel move."""
    panel.requires_grad_(False)
    for layer in adapted_layers(panel).values():
        layer.down.requires_grad_(True)
        layer.up.requires_grad_(True)


def _restore(model: nn.Module) -> None:
    """Make plain layers of stored ones."""
    stored = {n: each for n, each in _named(model) if isinstance(each, StoredLinear)}
    for name, layer in stored.items():
        _put(model, name, layer.plain())


def _named(module: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    return cast(Iterable[tuple[str, nn.Module]], module.named_modules())


def _panels(model: nn.Module) -> list[str]:
    return [panel for panel in PANELS if hasattr(model, panel)]


def _chosen(model: nn.Module, panel: str, ends: Sequence[str]) -> list[str]:
    """Names of the layers that are to be adapted, in the order of the model."""
    if panel not in _panels(model):
        raise ConfigError(
            f"lora.{panel} names layers, but this model has no such panel; it has "
            f"{', '.join(_panels(model))}"
        )
    names = _linear_layers(model, panel)
    for end in ends:
        if not any(_is_meant(name, end) for name in names):
            raise ConfigError(
                f"no linear layer of {panel} is called {end!r}; "
                f"{nearest(end, {name.rpartition('.')[2] for name in names} | {ALL})}"
            )
    return [name for name in names if any(_is_meant(name, end) for end in ends)]


def _is_meant(name: str, end: str) -> bool:
    return not _is_head(name) if end == ALL else f".{name}".endswith(f".{end}")


def _is_head(name: str) -> bool:
    return name.rpartition(".")[2] in HEADS


def _linear_layers(model: nn.Module, panel: str) -> list[str]:
    part = cast(nn.Module, getattr(model, panel))
    modules = cast(Iterator[tuple[str, nn.Module]], part.named_modules(prefix=panel))
    return [name for name, each in modules if isinstance(each, nn.Linear)]


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, layer.train(model.training))
