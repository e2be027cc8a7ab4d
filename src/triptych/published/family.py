"""What every family of published models offers, so that reading and writing need not know which.

To add one: describe its panels (`published.vision`, `published.language` know most), fill in a
`PublishedFamily`, and name that in `triptych.checkpoint.layouts`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triptych.architectures.architecture import Architecture
from triptych.fusion.vlm import VLMConfig
from triptych.published.tensors import PublishedTensor
from triptych.text import ChatTemplate, Tokenizer

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
GENERATION, TOKENIZER_CONFIG = "generation_config.json", "tokenizer_config.json"

Settings = Mapping[str, Any]
"""What a JSON file of settings holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFiles:
    """What a folder says about a model besides its weights."""

    config: Settings
    """`config.json`."""

    pixels: Settings
    """`preprocessor_config.json`."""

    generation: Settings
    """`generation_config.json`; empty where there is none."""

    tokens: Settings
    """`tokenizer_config.json`; empty where there is none."""

    template: str
    """The chat template in Jinja2."""

    tokenizer: Tokenizer
    """`tokenizer.json`."""


def nothing_unread(config: VLMConfig) -> list[PublishedTensor]:
    """Of families all of whose tensors are read."""
    return []


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedFamily:
    """One family of vision-language models as it is published."""

    title: str
    """For messages and cards."""

    model_types: tuple[str, ...]
    """What `config.json` calls it."""

    class_name: str
    """What transformers calls the model."""

    covers: Callable[[Architecture], bool]
    """Whether an architecture is of this family, whatever its sizes."""

    read: Callable[[PublishedFiles, str], Architecture]
    """The architecture that a folder describes, under the name given. Raises ConfigError."""

    write: Callable[[Architecture, Tokenizer, str], Mapping[str, Settings]]
    """Every file of settings, by its name; takes the dtype of the weights in torch's words.
    Raises ConfigError where the layout cannot say a setting, TokenError where the tokenizer
    lacks a token."""

    write_template: Callable[[ChatTemplate], str]
    """The chat template as others can run it."""

    tensors: Callable[[VLMConfig], list[PublishedTensor]]
    """Every tensor that our model holds, under its name on the Hub."""

    unread: Callable[[VLMConfig], list[PublishedTensor]] = nothing_unread
    """Tensors that the published code wants besides and our model never reads. They are kept when
    a folder was read, and zeros otherwise, with which a block passes everything on unchanged."""

    is_skipped: Callable[[str], bool] = field(default=lambda name: False)
    """Whether a tensor of that name on the Hub is left in its file: a head that nothing reads, or
    a table that is computed."""

    hub_name: Callable[[str], str]
    """The name on the Hub of a tensor under any name that a version of transformers gives it."""

    embedding: str
    """Name of the embedding table."""

    head: str
    """Name of the output head, which a tied model lacks."""

    default_template: str = ""
    """The chat template of folders that hold none, as families older than such templates are
    published; empty where a folder must hold one."""

    loading: str
    """For the card: how transformers loads it, in Python."""

    serving: str
    """For the card: how others serve it, in Markdown."""

    notes: str
    """For the card: what differs from Triptych, as a list in Markdown."""
