"""Models in the folders that other engines read and write.

    hf    the published Hugging Face layout of the same family, which transformers, vLLM and SGLang
          load: Qwen2-VL and Qwen2.5-VL (llama.cpp too), LLaVA and LLaVA-NeXT with CLIP or
          SigLIP and a Llama, Mistral or Qwen2, Idefics3 (also SmolVLM), InternVL, and others that
          FAMILIES names

    config.json  generation_config.json  preprocessor_config.json  model*.safetensors
    tokenizer.json  tokenizer_config.json  chat_template.jinja  README.md

A folder written here computes the same there, and comes back with the same weights bit for bit.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from triptych.architectures.architecture import Architecture
from triptych.checkpoint.files import (
    recover_folder,
    replacing_folder,
    write_bytes,
    write_json,
)
from triptych.checkpoint.hub import name_of
from triptych.checkpoint.model_card import model_card
from triptych.checkpoint.model_folder import (
    CONFIG,
    TOKENIZER,
    LoadedModel,
    load_model,
    read_architecture,
)
from triptych.checkpoint.precision import UNQUANTISED, Filling, QuantizeConfig
from triptych.checkpoint.published_files import (
    read_optional,
    read_preprocessor,
    read_settings,
)
from triptych.checkpoint.published_weights import PublishedWeights
from triptych.checkpoint.shards import SHARD_BYTES, write_shards
from triptych.errors import CheckpointError, ConfigError, UnknownNameError, UsageError
from triptych.processor import Processor
from triptych.published.families.scorers import find_scorer_family
from triptych.published.families.vlms import FAMILIES
from triptych.published.family import (
    GENERATION,
    TOKENIZER_CONFIG,
    PublishedFamily,
    PublishedFiles,
)
from triptych.text import Tokenizer

LAYOUTS = {"hf": "published Hugging Face layout"}
"""Every layout a model can be written in."""

TEMPLATE, TEMPLATE_JSON, CARD = "chat_template.jinja", "chat_template.json", "README.md"


def export_model(
    folder: Path, loaded: LoadedModel, layout: str = "hf", *, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write a model in another layout; the folder appears whole or not at all.

    The weights keep their kind of number. Files of weights hold at most `shard_bytes` bytes.

    Raises:
        UnknownNameError: there is no such layout.
        UsageError: the model's family has none, or `folder` holds something that is no model.
        ConfigError: the layout cannot say a setting of this model.
        TokenError: the tokenizer lacks a special token that the layout names.
    """
    check_layout(layout)
    architecture, tokenizer = loaded.architecture, loaded.processor.tokenizer
    family = _family_of(architecture, layout)
    check_replaceable(folder)
    dtype = str(loaded.model.language.dtype).removeprefix("torch.")
    settings = family.write(architecture, tokenizer, dtype)
    with replacing_folder(folder) as partial:
        for name, plain in settings.items():
            write_json(partial / name, plain)
        template = family.write_template(architecture.processor.template)
        write_bytes(partial / TEMPLATE, template.encode())
        write_bytes(partial / CARD, model_card(loaded, family).encode())
        tokenizer.save(partial / TOKENIZER)
        write_shards(partial, _published(loaded, family), shard_bytes)


def import_model(
    folder: Path,
    *,
    dtype: torch.dtype | None = torch.float32,
    quantize: QuantizeConfig = UNQUANTISED,
) -> LoadedModel:
    """Read a model in the published layout, one tensor at a time from the mapped files.

    Args:
        folder: With the files that this module's docstring lists; the weights under the names of
            the Hub, or under those that transformers 5 has in memory.
        dtype: What the weights become; None keeps what the embedding table is stored as.
        quantize: Panels whose linear layers take fewer bits.

    Raises:
        CheckpointError: a file is missing or torn, or the weights are pickles, quantised, or
            others than the configuration asks for.
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
        TokenError: the tokenizer is missing or torn.
        UsageError: a panel is to be quantised and this CPU has no instructions for it.
    """
    architecture = import_architecture(folder)
    family, config = _family_in(folder), architecture.model
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    weights = PublishedWeights(
        folder,
        lambda name: None if family.is_skipped(family.hub_name(name)) else family.hub_name(name),
    )
    dtype = dtype or weights.dtypes.get(family.embedding, torch.float32)
    filling = Filling(config, dtype, quantize)
    unread = weights.pour(
        family.tensors(config),
        filling.put,
        dtype,
        unread=family.unread(config),
        tied=(family.embedding, family.head) if config.language.tied else None,
    )
    processor = Processor(architecture.processor, config, tokenizer)
    return LoadedModel(architecture, filling.finish(), processor, unread)


def import_architecture(folder: Path) -> Architecture:
    """The architecture of a folder in the published layout, without its weights.

    Raises:
        CheckpointError, ConfigError, TokenError: see `import_model`.
    """
    recover_folder(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a published model")
    family = _family_in(folder)
    config, pixels = read_settings(folder / CONFIG), read_preprocessor(folder)
    files = PublishedFiles(
        config=config,
        pixels=pixels,
        generation=read_optional(folder / GENERATION),
        tokens=read_optional(folder / TOKENIZER_CONFIG),
        template=_read_template(folder, family.default_template),
        tokenizer=Tokenizer.from_file(folder / TOKENIZER),
    )
    return family.read(files, name_of(folder))


def open_model(
    folder: Path, *, dtype: torch.dtype = torch.float32, quantize: QuantizeConfig = UNQUANTISED
) -> LoadedModel:
    """Read a model folder of our own or in the published layout.

    Raises:
        CheckpointError, ConfigError, TokenError, UsageError: see `load_model`, `import_model`.
    """
    read = import_model if is_published(folder) else load_model
    return read(folder, dtype=dtype, quantize=quantize)


def open_architecture(folder: Path) -> Architecture:
    """The architecture of either kind of folder, without its weights.

    Raises:
        CheckpointError, ConfigError, TokenError: see `read_architecture`, `import_architecture`.
    """
    return import_architecture(folder) if is_published(folder) else read_architecture(folder)


def is_published(folder: Path) -> bool:
    """Whether a folder is in the published layout: its configuration names a `model_type`."""
    recover_folder(folder)
    return (folder / CONFIG).is_file() and "model_type" in read_settings(folder / CONFIG)


def check_layout(layout: str) -> None:
    """Refuse a layout that does not exist.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)


def check_replaceable(folder: Path) -> None:
    """Refuse to write over anything but a model.

    Raises:
        UsageError: there is a file of that name, or a folder that holds something else.
    """
    if folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise UsageError(f"{folder} exists and holds no model; name a new folder")


def _family_of(architecture: Architecture, layout: str) -> PublishedFamily:
    for family in FAMILIES:
        if family.covers(architecture):
            return family
    known = " and ".join(family.title for family in FAMILIES)
    raise UsageError(
        f"{architecture.name} has no {LAYOUTS[layout]}; models of the families {known} have"
    )


def _family_in(folder: Path) -> PublishedFamily:
    settings = read_settings(folder / CONFIG)
    scorer, kind = find_scorer_family(settings), settings.get("model_type")
    if scorer is not None:
        raise UsageError(
            f"{folder} holds a model of the {scorer.title} family, which {scorer.abilities} but "
            "does not generate text; use `triptych score` or triptych.load_scorer"
        )
    for family in FAMILIES:
        if kind in family.model_types:
            return family
    known = ", ".join(repr(name) for family in FAMILIES for name in family.model_types)
    raise ConfigError(
        f"{folder / CONFIG}: model_type is {kind!r}, which has no native file; those that have: "
        f"{known}; `--engine transformers` asks others"
    )


def _published(loaded: LoadedModel, family: PublishedFamily) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors as published, made while they are asked for."""
    state, config = loaded.model.state_dict(), loaded.architecture.model
    dtype = loaded.model.language.dtype
    for tensor in family.tensors(config):
        yield tensor.name, tensor.join(state)
    for tensor in family.unread(config):
        kept = loaded.unread.get(tensor.name)
        yield (
            tensor.name,
            torch.zeros(tensor.shape, dtype=dtype) if kept is None else kept.to(dtype),
        )


def _read_template(folder: Path, default: str) -> str:
    """The chat template, from the newest of the three places it may stand in."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    for path in (folder / TEMPLATE_JSON, folder / TOKENIZER_CONFIG):
        source = read_settings(path).get("chat_template") if path.is_file() else None
        if isinstance(source, str):
            return source
    if not default:
        raise CheckpointError(f"{folder} holds no chat template; add {TEMPLATE}")
    return default
