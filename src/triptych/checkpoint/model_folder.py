"""A model as a folder: what it is, its weights and its tokenizer.

    config.json          the architecture, fully resolved
    model.safetensors    the weights, tied ones once
    tokenizer.json       the tokenizer, in the format of the `tokenizers` package

Loading gives back the same logits bit for bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from triptych.adapters import adapted_layers
from triptych.architectures.architecture import Architecture
from triptych.architectures.scorer import ScorerArchitecture
from triptych.checkpoint.files import (
    check_fit,
    read_json,
    recover_folder,
    replacing_folder,
    write_bytes,
    write_json,
    write_tensors,
)
from triptych.checkpoint.precision import UNQUANTISED, Filling, QuantizeConfig
from triptych.checkpoint.shards import StoredTensors
from triptych.config import from_dict, to_dict
from triptych.errors import CheckpointError, UsageError
from triptych.fusion.vlm import VLM
from triptych.processor import Processor
from triptych.text import Tokenizer

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that can be run, with all that belongs to it."""

    architecture: Architecture
    model: VLM
    processor: Processor

    unread: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    """Tensors of the published folder it came from that the model never reads, by their published
    names; an export puts them back."""


def save_model(folder: Path, architecture: Architecture, model: VLM, tokenizer: Tokenizer) -> None:
    """Write the three files; the folder appears whole or not at all."""
    with replacing_folder(folder) as partial:
        write_model_files(partial, architecture, model, tokenizer)


def write_model_files(
    folder: Path,
    architecture: Architecture | ScorerArchitecture,
    model: torch.nn.Module,
    tokenizer: Tokenizer,
) -> None:
    """Write the three files into an existing folder.

    Raises:
        UsageError: the model has adapters that are not merged.
    """
    if adapted_layers(model):
        raise UsageError(
            "the model has adapters beside its weights; merge them first, with "
            "triptych.adapters.merge, or save them alone, with save_adapter"
        )
    write_json(folder / CONFIG, to_dict(architecture))
    write_bytes(folder / TOKENIZER, tokenizer.inner.to_str(pretty=True).encode())
    write_tensors(folder / WEIGHTS, model.state_dict(), {"format": "pt"})


def load_model(
    folder: Path, *, dtype: torch.dtype = torch.float32, quantize: QuantizeConfig = UNQUANTISED
) -> LoadedModel:
    """Read a model folder, one tensor at a time from the mapped file.

    Args:
        folder: With the three files.
        dtype: What the weights become.
        quantize: Panels whose linear layers take fewer bits.

    Raises:
        CheckpointError: a file is missing, torn, or does not fit the others.
        TokenError: the tokenizer is missing or torn.
        UsageError: a panel is to be quantised and this CPU has no instructions for it.
    """
    architecture = read_architecture(folder)
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    filling, stored = Filling(architecture.model, dtype, quantize), StoredTensors(folder)
    check_fit(filling.shapes, stored.shapes, str(folder / WEIGHTS))
    for name, tensor in stored:
        filling.put(name, tensor)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return LoadedModel(architecture, filling.finish(), processor)


def read_architecture(folder: Path) -> Architecture:
    """The architecture of a model folder, without its weights.

    Raises:
        CheckpointError: there is no such folder, or its configuration is missing or torn.
        ConfigError: the configuration does not describe an architecture.
    """
    recover_folder(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a saved model")
    plain = read_json(folder / CONFIG)
    if not isinstance(plain, dict):
        raise CheckpointError(f"{folder / CONFIG} holds no configuration; is {folder} a model?")
    return from_dict(Architecture, cast(dict[str, Any], plain))
