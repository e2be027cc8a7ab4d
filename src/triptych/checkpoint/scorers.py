"""Models that compare pictures with texts, in the published folders that others read and write.

CLIP, SigLIP and BLIP-2 as a retriever (`CLIPModel`, `SiglipModel`, `Blip2ForImageTextRetrieval`);
the folder is their only form here.

    config.json  preprocessor_config.json  model*.safetensors
    tokenizer.json  tokenizer_config.json  README.md
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from triptych.architectures.scorer import ScorerArchitecture, ScorerModel
from triptych.checkpoint.files import recover_folder, replacing_folder, write_bytes, write_json
from triptych.checkpoint.hub import name_of
from triptych.checkpoint.layouts import check_replaceable
from triptych.checkpoint.published_files import (
    read_optional,
    read_preprocessor,
    read_settings,
)
from triptych.checkpoint.published_weights import PublishedWeights
from triptych.checkpoint.shards import SHARD_BYTES, write_shards
from triptych.errors import CheckpointError, UsageError
from triptych.nn.meta import without_weights
from triptych.pairs import PairProcessor
from triptych.published.families.scorers import SCORER_FAMILIES, find_scorer_family
from triptych.published.family import (
    CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    PublishedFiles,
)
from triptych.published.scorer_family import PublishedScorer
from triptych.text import Tokenizer

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class LoadedScorer:
    """A model that can compare pictures with texts, with all that belongs to it."""

    architecture: ScorerArchitecture
    model: ScorerModel
    processor: PairProcessor


def import_scorer(folder: Path, *, dtype: torch.dtype | None = torch.float32) -> LoadedScorer:
    """Read a published folder, one tensor at a time from the mapped files.

    Args:
        folder: With the files that this module's docstring lists.
        dtype: What the weights become; None keeps what the first is stored as.

    Raises:
        UsageError: the folder holds a model that compares no pictures with texts.
        CheckpointError: a file is missing or torn, or the weights are pickles, quantised, or
            others than the configuration asks for.
        ConfigError: a setting is missing, malformed or not supported; names its key and value.
        TokenError: the tokenizer is missing or torn, or lacks a special token.
    """
    family, architecture = _family_in(folder), import_scorer_architecture(folder)
    weights = PublishedWeights(folder, lambda name: None if family.is_skipped(name) else name)
    kept = next(iter(weights.dtypes.values()), torch.float32)
    state, _ = weights.read(family.tensors(architecture.model), dtype or kept)
    with without_weights():
        model = architecture.model.build()
    model.load_state_dict(state, assign=True)
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    processor = PairProcessor(architecture.processor, architecture.model, tokenizer)
    return LoadedScorer(architecture, model.eval(), processor)


def import_scorer_architecture(folder: Path) -> ScorerArchitecture:
    """The architecture of a published folder, without its weights.

    Raises:
        UsageError, CheckpointError, ConfigError, TokenError: see `import_scorer`.
    """
    family = _family_in(folder)
    files = PublishedFiles(
        config=read_settings(folder / CONFIG),
        pixels=read_preprocessor(folder),
        generation={},
        tokens=read_optional(folder / TOKENIZER_CONFIG),
        template="",
        tokenizer=Tokenizer.from_file(folder / TOKENIZER),
    )
    return family.read(files, name_of(folder))


def export_scorer(folder: Path, loaded: LoadedScorer, *, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a model as it is published; the folder appears whole or not at all.

    Raises:
        UsageError: the model's family has no published layout, or `folder` holds something that
            is no model.
        ConfigError: the layout cannot say a setting of this model.
    """
    architecture, processor = loaded.architecture, loaded.processor
    family = _family_of(architecture)
    check_replaceable(folder)
    dtype = str(loaded.model.dtype).removeprefix("torch.")
    settings = family.write(architecture, processor.tokenizer, dtype)
    framed = processor.tokenizer.framed(processor.config.begin_tokens, processor.config.end_tokens)
    with replacing_folder(folder) as partial:
        for name, plain in settings.items():
            write_json(partial / name, plain)
        write_bytes(partial / CARD, _card(loaded, family).encode())
        framed.save(partial / TOKENIZER)
        write_shards(partial, _published(loaded, family), shard_bytes)


def is_scorer(folder: Path) -> bool:
    """Whether a folder holds a published model that compares pictures with texts."""
    recover_folder(folder)
    return (folder / CONFIG).is_file() and (
        find_scorer_family(read_settings(folder / CONFIG)) is not None
    )


def _family_in(folder: Path) -> PublishedScorer:
    recover_folder(folder)
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a published model")
    family = find_scorer_family(read_settings(folder / CONFIG))
    if family is None:
        raise UsageError(
            f"the model in {folder} does not score pictures against texts; those of the families "
            f"{_titles()} do"
        )
    return family


def _family_of(architecture: ScorerArchitecture) -> PublishedScorer:
    for family in SCORER_FAMILIES:
        if family.covers(architecture):
            return family
    raise UsageError(
        f"{architecture.name} has no published layout; models of the families {_titles()} have"
    )


def _titles() -> str:
    *titles, last = (family.title for family in SCORER_FAMILIES)
    return f"{', '.join(titles)} and {last}"


def _published(loaded: LoadedScorer, family: PublishedScorer) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors as published, made while they are asked for."""
    state = loaded.model.state_dict()
    for tensor in family.tensors(loaded.architecture.model):
        yield tensor.name, tensor.join(state)


_CARD = """\
---
library_name: transformers
pipeline_tag: zero-shot-image-classification
tags:
- {model_type}
- triptych
---

# {name}

A model of the {title} family, which {abilities}, exported by Triptych in the published Hugging Face
layout. {total:,} parameters stored as {dtype}. Paper: {paper}

With transformers:

```python
{loading}```

With Triptych:

```
triptych score photo.jpg "a cat" "a dog" --model FOLDER
```

## What differs from Triptych

{notes}"""


def _card(loaded: LoadedScorer, family: PublishedScorer) -> str:
    return _CARD.format(
        name=loaded.architecture.name,
        model_type=family.model_types[0],
        title=family.title,
        abilities=family.abilities,
        total=sum(each.numel() for each in loaded.model.parameters()),
        dtype=str(loaded.model.dtype).removeprefix("torch."),
        paper=loaded.architecture.paper,
        loading=family.loading,
        notes=family.notes,
    )
