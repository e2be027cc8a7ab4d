"""What every family of published models that compare pictures with texts offers.

The sibling of `PublishedFamily`. What such models lack (a chat template, answers, an output head
that may be tied) has no field here, so nothing has to be left empty.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from triptych.architectures.scorer import ScorerArchitecture, ScorerConfig
from triptych.published.family import PublishedFiles, Settings
from triptych.published.tensors import PublishedTensor
from triptych.text import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedScorer:
    """One family of models that compare pictures with texts, as it is published."""

    title: str
    """For messages and cards."""

    model_types: tuple[str, ...]
    """What `config.json` calls it."""

    class_name: str
    """What transformers calls the model."""

    needs_class_name: bool = False
    """Whether its type is also that of a model that generates, so that only the class name in
    `config.json` tells them apart."""

    abilities: str
    """What it does, for messages: `scores and embeds`."""

    covers: Callable[[ScorerArchitecture], bool]
    """Whether an architecture is of this family, whatever its sizes."""

    read: Callable[[PublishedFiles, str], ScorerArchitecture]
    """The architecture that a folder describes, under the name given; the files' chat template is
    empty. Raises ConfigError."""

    write: Callable[[ScorerArchitecture, Tokenizer, str], Mapping[str, Settings]]
    """Every file of settings, by its name; takes the dtype of the weights in torch's words.
    Raises ConfigError where the layout cannot say a setting."""

    tensors: Callable[[ScorerConfig], list[PublishedTensor]]
    """Every tensor that our model holds, under its name on the Hub."""

    is_skipped: Callable[[str], bool] = field(default=lambda name: False)
    """Whether a tensor of that name is left in its file: a table that is computed."""

    loading: str
    """For the card: how transformers loads it, in Python."""

    notes: str
    """For the card: what differs from Triptych, as a list in Markdown."""
