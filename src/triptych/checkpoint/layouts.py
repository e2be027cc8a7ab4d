"""Models in the folders that other engines read and write.

    hf    the published Hugging Face layout of the same family, which transformers, vLLM, SGLang
          and llama.cpp load; so far of Qwen2-VL

    config.json  generation_config.json  preprocessor_config.json  model*.safetensors
    tokenizer.json  tokenizer_config.json  chat_template.jinja  README.md

A folder written here computes the same there, and comes back with the same weights bit for bit.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from triptych.architectures.architecture import Architecture
from triptych.architectures.qwen2_vl import qwen2_vl_2b
from triptych.architectures.qwen2_vl_layout import (
    EMBEDDING,
    HEAD,
    from_published,
    hub_name,
    published_tensors,
)
from triptych.architectures.qwen2_vl_settings import (
    KIND,
    is_qwen2_vl,
    read_settings,
    write_settings,
)
from triptych.architectures.qwen2_vl_text import (
    read_processor_text,
    write_template,
    write_text_settings,
)
from triptych.checkpoint.files import (
    check_fit,
    read_json,
    recover_folder,
    replacing_folder,
    write_bytes,
    write_json,
)
from triptych.checkpoint.model_card import model_card
from triptych.checkpoint.model_folder import (
    CONFIG,
    TOKENIZER,
    LoadedModel,
    load_model,
    read_architecture,
)
from triptych.checkpoint.shards import SHARD_BYTES, StoredTensors, write_shards
from triptych.errors import CheckpointError, ConfigError, UnknownNameError, UsageError
from triptych.fusion.vlm import VLM, VLMConfig
from triptych.processor import Processor
from triptych.text import Tokenizer

LAYOUTS = {"hf": "published Hugging Face layout"}
"""Every layout a model can be written in."""

PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
GENERATION, TOKENIZER_CONFIG = "generation_config.json", "tokenizer_config.json"
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
    if not is_qwen2_vl(architecture):
        raise UsageError(
            f"{architecture.name} has no {LAYOUTS[layout]}; models of the Qwen2-VL family have"
        )
    check_replaceable(folder)
    dtype = str(loaded.model.language.embedding.weight.dtype).removeprefix("torch.")
    config, preprocessor = write_settings(architecture, tokenizer, dtype)
    tokens, generation = write_text_settings(architecture.processor, tokenizer)
    with replacing_folder(folder) as partial:
        write_json(partial / CONFIG, config)
        write_json(partial / PREPROCESSOR, preprocessor)
        write_json(partial / TOKENIZER_CONFIG, tokens)
        write_json(partial / GENERATION, generation)
        template = write_template(architecture.processor.template)
        write_bytes(partial / TEMPLATE, template.encode())
        write_bytes(partial / CARD, model_card(loaded).encode())
        tokenizer.save(partial / TOKENIZER)
        state = loaded.model.state_dict()
        tensors = published_tensors(architecture.model)
        write_shards(partial, ((each.name, each.join(state)) for each in tensors), shard_bytes)


def import_model(folder: Path, *, dtype: torch.dtype | None = torch.float32) -> LoadedModel:
    """Read a model in the published layout, one tensor at a time from the mapped files.

    Args:
        folder: With the files that this module's docstring lists; the weights under the names of
            the Hub, or under those that transformers 5 has in memory.
        dtype: What the weights become; None keeps what the embedding table is stored as.

    Raises:
        CheckpointError: a file is missing or torn, or the weights are pickles, quantised, or
            others than the configuration asks for.
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
        TokenError: the tokenizer is missing or torn.
    """
    architecture = import_architecture(folder)
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    model = _read_weights(folder, architecture.model, dtype)
    processor = Processor(architecture.processor, architecture.model, tokenizer)
    return LoadedModel(architecture, model, processor)


def import_architecture(folder: Path) -> Architecture:
    """The architecture of a folder in the published layout, without its weights.

    Raises:
        CheckpointError, ConfigError, TokenError: see `import_model`.
    """
    recover_folder(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a published model")
    config = _read_group(folder / CONFIG)
    if config.get("model_type") != KIND:
        raise ConfigError(
            f"{folder / CONFIG}: model_type is {config.get('model_type')!r}; supported: {KIND!r}"
        )
    model, resize = read_settings(config, _read_preprocessor(folder))
    generation: Mapping[str, Any] = {}
    if (folder / GENERATION).is_file():
        generation = _read_group(folder / GENERATION)
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    template, max_tokens = read_processor_text(
        config, generation, _read_template(folder), tokenizer
    )
    # What the files do not say is as in the family.
    family = qwen2_vl_2b()
    processor = replace(family.processor, resize=resize, template=template, max_tokens=max_tokens)
    return replace(family, name=folder.resolve().name, model=model, processor=processor)


def open_model(folder: Path) -> LoadedModel:
    """Read a model folder of our own or in the published layout.

    Raises:
        CheckpointError, ConfigError, TokenError: see `load_model` and `import_model`.
    """
    return import_model(folder) if is_published(folder) else load_model(folder)


def open_architecture(folder: Path) -> Architecture:
    """The architecture of either kind of folder, without its weights.

    Raises:
        CheckpointError, ConfigError, TokenError: see `read_architecture`, `import_architecture`.
    """
    return import_architecture(folder) if is_published(folder) else read_architecture(folder)


def is_published(folder: Path) -> bool:
    """Whether a folder is in the published layout: its configuration names a `model_type`."""
    recover_folder(folder)
    return (folder / CONFIG).is_file() and "model_type" in _read_group(folder / CONFIG)


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


def _read_weights(folder: Path, config: VLMConfig, dtype: torch.dtype | None) -> VLM:
    stored = StoredTensors(folder)
    _check_complete(stored, config, folder)
    kinds = {hub_name(name): kind for name, kind in stored.dtypes.items()}
    with torch.device("meta"):
        model = config.build().to(dtype or kinds[EMBEDDING])
    model = model.to_empty(device="cpu").eval()
    ours = dict(model.named_parameters())
    is_tied = config.language.tied
    wanted = (each for each in stored if not (is_tied and hub_name(each[0]) == HEAD))
    with torch.no_grad():
        for name, tensor in from_published(wanted, config):
            ours[name].copy_(tensor)
    return model


def _check_complete(stored: StoredTensors, config: VLMConfig, folder: Path) -> None:
    expected = {tensor.name: tensor.shape for tensor in published_tensors(config)}
    given = {hub_name(name): shape for name, shape in stored.shapes.items()}
    if len(given) < len(stored.shapes):
        raise CheckpointError(f"{folder} holds a tensor twice, under both kinds of name")
    if config.language.tied and HEAD in given:
        _check_tied(stored, folder)
        del given[HEAD]
    check_fit(expected, given, f"the weights in {folder}")


def _check_tied(stored: StoredTensors, folder: Path) -> None:
    """Some files hold the tied head as well; it must be what it is tied to."""
    pair = [tensor for name, tensor in stored if hub_name(name) in (EMBEDDING, HEAD)]
    if len(pair) == 2 and not torch.equal(*pair):
        raise CheckpointError(
            f"{folder} ties the head to the embedding table, but {HEAD} and {EMBEDDING} differ; "
            "set tie_word_embeddings to false in its config.json"
        )


def _read_preprocessor(folder: Path) -> Mapping[str, Any]:
    """The picture settings, which transformers 5 writes inside another file."""
    if not (folder / PREPROCESSOR).is_file() and (folder / PROCESSOR).is_file():
        inner = _read_group(folder / PROCESSOR).get("image_processor")
        return cast(dict[str, Any], inner) if isinstance(inner, dict) else {}
    return _read_group(folder / PREPROCESSOR)


def _read_template(folder: Path) -> str:
    """The chat template, from the newest of the three places it may stand in."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    for path in (folder / TEMPLATE_JSON, folder / TOKENIZER_CONFIG):
        source = _read_group(path).get("chat_template") if path.is_file() else None
        if isinstance(source, str):
            return source
    raise CheckpointError(f"{folder} holds no chat template; add {TEMPLATE}")


def _read_group(path: Path) -> Mapping[str, Any]:
    plain = read_json(path)
    if not isinstance(plain, dict):
        raise CheckpointError(f"{path} holds no settings; is {path.parent} a model?")
    return cast(dict[str, Any], plain)
