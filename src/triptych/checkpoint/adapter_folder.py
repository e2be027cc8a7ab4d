"""What was trained beside a model that stayed as it is, as a folder that PEFT reads too.

    adapter_config.json          rank, alpha, which modules; the base's name
    adapter_model.safetensors    adapters, and every panel that was trained as a whole
    base.json                    checksums of the weights it was trained over, panel by panel

It is opened together with its base and merged into it. Over any other weights it is refused.
Modules have the names that transformers gives them where the model's family is published, so that
PEFT hangs the adapter on the published model, and our own names otherwise.

PEFT: https://huggingface.co/docs/peft
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from triptych.adapters import Adapters, LoraConfig, adapted_layers, fingerprint, round_base
from triptych.architectures.architecture import Architecture
from triptych.architectures.scorer import ScorerArchitecture
from triptych.checkpoint.adapters import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    PREFIX,
    merge_adapter,
    read_adapter,
)
from triptych.checkpoint.files import (
    read_json,
    recover_folder,
    replacing_folder,
    write_json,
    write_tensors,
)
from triptych.checkpoint.layouts import open_model
from triptych.checkpoint.model_folder import LoadedModel
from triptych.checkpoint.precision import UNQUANTISED, Filling, QuantizeConfig
from triptych.config import from_dict, to_dict
from triptych.errors import CheckpointError
from triptych.published.families.vlms import FAMILIES
from triptych.published.family import PublishedFamily
from triptych.published.tensors import PublishedTensor, Renames

BASE = "base.json"

IN_MEMORY: Renames = (
    ("vision_tower.vision_model.", "model.vision_tower."),
    ("language_model.model.", "model.language_model."),
    ("language_model.lm_head.", "lm_head."),
    ("model.", "model.language_model."),
    ("", "model."),
)
"""Beginnings of names on the Hub, and what transformers 5 has in memory instead. Of each family
those count that it takes for the same."""


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, of ours or of PEFT."""
    recover_folder(folder)
    return (folder / ADAPTER_CONFIG).is_file()


def save_adapter(
    folder: Path,
    architecture: Architecture | ScorerArchitecture,
    adapters: Adapters,
    base: str = "",
) -> None:
    """Write what was trained; the folder appears whole or not at all.

    `base` is the folder or the name on the Hub of the model it was trained over, where there is
    one.
    """
    with replacing_folder(folder) as partial:
        family = _family(architecture)
        if family is None or not isinstance(architecture, Architecture):
            write_adapter_files(partial, adapters, base)
        else:
            known = family.tensors(architecture.model)
            _write(partial, adapters, base, _under_published_names(adapters, family, known))


def write_adapter_files(folder: Path, adapters: Adapters, base: str = "") -> None:
    """Write the three files into an existing folder, under our own names."""
    names = list(adapted_layers(adapters.model))
    _write(folder, adapters, base, _Named(adapters.state(), names))


def write_note(folder: Path, adapters: Adapters) -> None:
    """Write down, in `base.json`, over which weights adapters were trained."""
    note = {"fingerprints": dict(adapters.fingerprints), "lora": to_dict(adapters.config)}
    write_json(folder / BASE, note)


def check_note(folder: Path, adapters: Adapters) -> None:
    """Compare that with the weights that the adapters are over here.

    Raises:
        CheckpointError: they are others, or the note is torn.
    """
    _check_base(folder, adapters.fingerprints, "the model that is to go on")


def base_of(folder: Path) -> str:
    """The folder or name of the model that an adapter belongs to.

    Raises:
        CheckpointError: it names none.
    """
    named = read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not named:
        raise CheckpointError(
            f"the adapter in {folder} does not say which model it belongs to; name it with base="
        )
    return str(named)


def apply_adapter(loaded: LoadedModel, folder: Path) -> LoadedModel:
    """The model with an adapter merged into its weights, which are changed in place.

    Raises:
        CheckpointError: a file is missing or torn, or the adapter was trained over other weights.
        ConfigError, UsageError: see `read_adapter`, `merge_adapter`.
    """
    adapter = read_adapter(folder)
    note = _read_note(folder)
    if note is not None:
        prints = cast(dict[str, str], note["fingerprints"])
        found = {panel: fingerprint(getattr(loaded.model, panel)) for panel in prints}
        _check_base(folder, found, f"this {loaded.architecture.name}")
        round_base(loaded.model, from_dict(LoraConfig, note["lora"]))
    return merge_adapter(loaded, adapter)


def open_adapter(
    folder: Path,
    base: Path,
    *,
    dtype: torch.dtype = torch.float32,
    quantize: QuantizeConfig = UNQUANTISED,
) -> LoadedModel:
    """Read an adapter and the model it belongs to, and merge them.

    Merged in float32; in another kind of number both are in memory for a moment.

    Raises:
        CheckpointError, ConfigError, TokenError, UsageError: see `apply_adapter`, `open_model`.
    """
    merged = apply_adapter(open_model(base), folder)
    if dtype == torch.float32 and quantize.is_none:
        return merged
    filling = Filling(merged.architecture.model, dtype, quantize)
    for name, tensor in merged.model.state_dict().items():
        filling.put(name, tensor)
    unread = {name: each.to(dtype) for name, each in merged.unread.items()}
    return replace(merged, model=filling.finish(), unread=unread)


# -- files ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """What is trained, under the names that a file has."""

    tensors: Mapping[str, Tensor]
    targets: list[str]
    """Modules with adapters."""
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """Of those that are several of ours: how many of these are adapted."""


def _write(folder: Path, adapters: Adapters, base: str, named: _Named) -> None:
    config = adapters.config
    saved = (name for name in named.tensors if ".lora_" not in name)
    settings = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base or None,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": named.targets,
        "modules_to_save": list(dict.fromkeys(name.rpartition(".")[0] or name for name in saved)),
        "rank_pattern": {name: n * config.rank for name, n in named.counts.items()},
        "alpha_pattern": {name: n * config.alpha for name, n in named.counts.items()},
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "init_lora_weights": True,
        "inference_mode": True,
    }
    write_json(folder / ADAPTER_CONFIG, settings)
    write_note(folder, adapters)
    prefixed = {PREFIX + name: tensor for name, tensor in named.tensors.items()}
    write_tensors(folder / ADAPTER_WEIGHTS, prefixed, {"format": "pt"})


def _read_note(folder: Path) -> dict[str, Any] | None:
    """What `base.json` says; None where PEFT wrote the adapter and there is none."""
    path = folder / BASE
    if not path.exists():
        return None
    note: Any = read_json(path)
    if not isinstance(note, dict) or not {"fingerprints", "lora"} <= set(cast(Any, note)):
        raise CheckpointError(f"{path} is torn; take an earlier copy of the adapter")
    return cast(dict[str, Any], note)


def _check_base(folder: Path, found: Mapping[str, str], what: str) -> None:
    note = _read_note(folder)
    wanted = {} if note is None else cast(dict[str, str], note["fingerprints"])
    other = [panel for panel in wanted if wanted[panel] != found.get(panel)]
    if other:
        raise CheckpointError(
            f"the adapter in {folder} was trained over another model: {what} has other weights in "
            f"{' and '.join(other)}; open it with the model that it was trained over"
        )


# -- published names -----------------------------------------------------------------------------


def _family(architecture: Architecture | ScorerArchitecture) -> PublishedFamily | None:
    if not isinstance(architecture, Architecture):
        return None
    return next((family for family in FAMILIES if family.covers(architecture)), None)


def _under_published_names(
    adapters: Adapters, family: PublishedFamily, known: list[PublishedTensor]
) -> _Named:
    own, layers = adapters.state(), adapted_layers(adapters.model)
    tensors: dict[str, Tensor] = {}
    targets: list[str] = []
    counts: dict[str, int] = {}
    for tensor in known:
        name = _name_in_memory(family, tensor.name)
        module = name.removesuffix(".weight")
        modules = [part.removesuffix(".weight") for part in tensor.parts]
        adapted = [each for each in modules if each in layers]
        if adapted and name.endswith(".weight"):
            targets.append(module)
            if len(modules) > 1:
                counts[module] = len(adapted)
            down, up = _halves(tensor, modules, own)
            tensors |= {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
        elif tensor.parts[0] in own:
            tensors[name] = tensor.join(own)
    return _Named(tensors, targets, counts)


def _halves(
    tensor: PublishedTensor, modules: list[str], own: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """A and B of a published weight; of one that is several of ours all A below each other, and
    every B in rows and columns of its own."""
    adapted = [each for each in modules if f"{each}.lora_A.weight" in own]
    down = torch.cat([own[f"{each}.lora_A.weight"] for each in adapted])
    blocks = [
        own[f"{each}.lora_B.weight"] if each in adapted else down.new_zeros(shape[0], 0)
        for each, shape in zip(modules, tensor.part_shapes, strict=True)
    ]
    return down, cast(Tensor, torch.block_diag(*blocks))


def _name_in_memory(family: PublishedFamily, name: str) -> str:
    for hub, memory in IN_MEMORY:
        renamed = memory + name.removeprefix(hub)
        if name.startswith(hub) and family.hub_name(renamed) == name:
            return renamed
    return name
