"""LoRA adapters as PEFT publishes them, merged into a model: W + scale * B @ A.

    adapter_config.json          rank, alpha, which modules
    adapter_model.safetensors    base_model.model.MODULE.lora_A.weight    rank x in
                                 base_model.model.MODULE.lora_B.weight    out x rank
                                 base_model.model.MODULE.weight, bias     of `modules_to_save`

MODULE is a name of the published model, on the Hub or in memory of transformers, or one of ours.
Modules to save were trained as a whole and take the place of the model's. The scale is
alpha / rank, or alpha / sqrt(rank) where the adapter is rank-stabilised.

LoRA: https://arxiv.org/abs/2106.09685
rsLoRA: https://arxiv.org/abs/2312.03732
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from triptych.checkpoint.files import read_json, read_tensors
from triptych.checkpoint.model_folder import LoadedModel
from triptych.errors import CheckpointError, ConfigError, UsageError
from triptych.published.families.vlms import FAMILIES
from triptych.published.family import PublishedFamily
from triptych.published.tensors import PublishedTensor

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

PREFIX = "base_model.model."
"""In front of every name."""

_KEY = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")

_PLAIN: dict[str, tuple[object, ...]] = {
    "fan_in_fan_out": (False, None),
    "bias": ("none", None),
    "layer_replication": (None, []),
    "target_parameters": (None, []),
    "trainable_token_indices": (None, [], {}),
    "alora_invocation_tokens": (None, []),
    "lora_bias": (False, None),
    "init_lora_weights": (True, False, None, "gaussian", "orthogonal", "eva"),
}
"""Settings and the values with which an adapter is a plain one. Other ways of initialising change
the weights that the adapter belongs to."""

_HARMLESS = ("eva_config", "loftq_config", "use_rslora")
"""Settings called like variants of LoRA that are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """A LoRA adapter as it was read."""

    folder: Path
    alpha: float
    is_stabilised: bool
    """Whether the scale falls with the square root of the rank only."""
    alphas: Mapping[str, float]
    """Of modules whose names end so, instead of `alpha`."""
    factors: Mapping[str, tuple[Tensor, Tensor]]
    """A and B of every module."""
    whole: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Tensors that take the place of the model's."""

    def change(self, module: str) -> Tensor:
        """What is added to the weight of a module, in float32: out x in."""
        down, up = self.factors[module]
        rank = down.shape[0]
        own = (alpha for end, alpha in self.alphas.items() if f".{module}".endswith(f".{end}"))
        alpha = next(own, self.alpha)
        scale = alpha / (math.sqrt(rank) if self.is_stabilised else rank)
        return (up.float() @ down.float()) * scale


def read_adapter(folder: Path) -> Adapter:
    """Read the two files of an adapter.

    Raises:
        CheckpointError: a file is missing or torn, or a half of a pair is.
        ConfigError: it is no plain LoRA adapter; names the setting.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a PEFT adapter")
    path = folder / ADAPTER_CONFIG
    plain: Any = read_json(path)
    if not isinstance(plain, dict):
        raise CheckpointError(f"{path} holds no settings; is {folder} a PEFT adapter?")
    settings = cast(dict[str, Any], plain)
    _check_plain(path, settings)
    alphas = cast(dict[str, Any], settings.get("alpha_pattern") or {})
    for end, alpha in alphas.items():
        if not re.fullmatch(r"[\w.]+", end) or not _is_number(alpha):
            raise ConfigError(f"{path}: alpha_pattern {end!r}: {alpha!r} is no name and a number")
    saved = cast(Sequence[str], settings.get("modules_to_save") or ())
    factors, whole = _read_weights(folder / ADAPTER_WEIGHTS, saved)
    return Adapter(
        folder=folder,
        alpha=float(settings["lora_alpha"]),
        is_stabilised=bool(settings.get("use_rslora")),
        alphas={end: float(alpha) for end, alpha in alphas.items()},
        factors=factors,
        whole=whole,
    )


def merge_adapter(loaded: LoadedModel, adapter: Adapter) -> LoadedModel:
    """The model with an adapter merged into its weights, which are changed in place.

    The sum is made in float32 and keeps the weights' kind of number.

    Raises:
        UsageError: the model's family has no published layout.
        CheckpointError: a module does not exist in the model, or its weight has another shape.
    """
    state = loaded.model.state_dict()
    places = _own_places(adapter, state) or _published_places(adapter, _family(loaded), loaded)
    _check_fit(adapter, places)
    kept = dict(loaded.unread)
    with torch.no_grad():
        for name, module in places.changes.items():
            change = adapter.change(module)
            if name in places.known:
                _fill(state, places.known[name], _sum(places.known[name].join(state), change))
            elif name in kept:
                kept[name] = _sum(kept[name], change)
        for name, key in places.whole.items():
            if name in places.known:
                _fill(state, places.known[name], adapter.whole[key])
            elif name in kept:
                kept[name] = adapter.whole[key].to(kept[name].dtype)
    return replace(loaded, unread=kept)


def _fill(state: Mapping[str, Tensor], known: PublishedTensor, tensor: Tensor) -> None:
    for part, piece in known.split(tensor):
        state[part].copy_(piece)


def _sum(weight: Tensor, change: Tensor) -> Tensor:
    return (weight.float() + change).to(weight.dtype)


def _family(loaded: LoadedModel) -> PublishedFamily:
    for family in FAMILIES:
        if family.covers(loaded.architecture):
            return family
    raise UsageError(
        f"{loaded.architecture.name} has no published layout, so no adapter can name its modules"
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where what an adapter holds belongs in a model."""

    known: Mapping[str, PublishedTensor]
    """What the model reads."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of that and of what it never reads."""
    changes: Mapping[str, str]
    """The adapter's modules by the name of their weight."""
    whole: Mapping[str, str]
    """Its whole tensors by their name in the model."""


def _own_places(adapter: Adapter, state: Mapping[str, Tensor]) -> _Places | None:
    """Of an adapter that uses our names; None where it does not."""
    changes = {f"{module}.weight": module for module in adapter.factors}
    if not {*changes, *adapter.whole} <= set(state):
        return None
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    known = {name: PublishedTensor(name, (name,), each, (each,)) for name, each in shapes.items()}
    return _Places(known, shapes, changes, {name: name for name in adapter.whole})


def _published_places(adapter: Adapter, family: PublishedFamily, loaded: LoadedModel) -> _Places:
    """By names on the Hub; what nothing reads is out."""
    config = loaded.architecture.model
    known = {tensor.name: tensor for tensor in family.tensors(config)}
    shapes = {name: tensor.shape for name, tensor in known.items()}
    shapes |= {tensor.name: tensor.shape for tensor in family.unread(config)}
    changes = {family.hub_name(f"{module}.weight"): module for module in adapter.factors}
    whole = {family.hub_name(name): name for name in adapter.whole}
    if len({*changes, *whole}) < len(adapter.factors) + len(adapter.whole):
        raise CheckpointError(f"{adapter.folder} adapts a module twice, under both kinds of name")
    return _Places(known, shapes, _read_by(family, changes), _read_by(family, whole))


def _read_by(family: PublishedFamily, names: Mapping[str, str]) -> dict[str, str]:
    return {name: each for name, each in names.items() if not family.is_skipped(name)}


def _check_fit(adapter: Adapter, places: _Places) -> None:
    problems = list(_problems(adapter, places))
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"the adapter in {adapter.folder} does not fit this model; "
            f"{'; '.join(problems[:5])}{more}"
        )


def _problems(adapter: Adapter, places: _Places) -> Iterator[str]:
    for name, module in places.changes.items():
        down, up = adapter.factors[module]
        change = (up.shape[0], down.shape[1])
        if name not in places.shapes:
            yield f"no module {module}"
        elif tuple(places.shapes[name]) != change:
            yield f"{module} is {tuple(places.shapes[name])}, adapted as {change}"
    for name, key in places.whole.items():
        given = tuple(adapter.whole[key].shape)
        if name not in places.shapes:
            yield f"no tensor {key}"
        elif tuple(places.shapes[name]) != given:
            yield f"{key} is {tuple(places.shapes[name])}, saved as {given}"


def _check_plain(path: Path, settings: Mapping[str, Any]) -> None:
    """Refuse everything but LoRA as it was first published, with its settings by name."""
    kind = settings.get("peft_type")
    if kind != "LORA":
        raise ConfigError(f"{path}: peft_type is {kind!r}; only LORA adapters are merged")
    for name in sorted(settings):
        value = settings[name]
        is_variant = name.startswith("use_") or name.endswith("_config")
        if name in _PLAIN:
            is_plain = value in _PLAIN[name]
        else:
            is_plain = not is_variant or name in _HARMLESS or not value
        if not is_plain:
            raise ConfigError(
                f"{path}: {name} is {value!r}, and only plain LoRA adapters are merged; merge it "
                "with PEFT and give the merged model"
            )
    for name in ("r", "lora_alpha"):
        if not _is_number(settings.get(name)):
            raise ConfigError(f"{path}: {name} must be a number, got {settings.get(name)!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _read_weights(
    path: Path, saved: Sequence[str]
) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Tensor]]:
    """Pairs of halves by module, and what is saved as a whole by name."""
    halves: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    unexpected: list[str] = []
    for key, tensor in read_tensors(path).items():
        name = key.removeprefix(PREFIX)
        found = _KEY.fullmatch(name)
        if found is not None and tensor.ndim == 2:
            halves.setdefault(found[1], {})[found[2]] = tensor
        elif any(f".{module}." in f".{name}." for module in saved):
            whole[name] = tensor
        else:
            unexpected.append(key)
    absent = [each for each in saved if not any(f".{each}." in f".{name}." for name in whole)]
    if absent:
        raise CheckpointError(f"{path} lacks modules that were saved: {', '.join(absent[:5])}")
    _check_halves(path, halves, unexpected)
    return {name: (pair["A"], pair["B"]) for name, pair in halves.items()}, whole


def _check_halves(
    path: Path, halves: Mapping[str, Mapping[str, Tensor]], unexpected: Sequence[str]
) -> None:
    alone = sorted(name for name, pair in halves.items() if len(pair) < 2)
    torn = sorted(
        name
        for name, pair in halves.items()
        if len(pair) == 2 and pair["A"].shape[0] != pair["B"].shape[1]
    )
    for what, names in (
        ("tensors that are no halves of linear layers", sorted(unexpected)),
        ("modules with one half alone", alone),
        ("modules whose halves have different ranks", torn),
    ):
        if names:
            raise CheckpointError(f"{path} holds {what}: {', '.join(names[:5])}")
