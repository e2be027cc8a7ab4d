"""A run in stages as data: a model, and what it learns from, one stage after the other.

    model      a system of the literature, a finished model, or two published panels joined
    stages     each: which panels move and how fast, what is learned, from which mixture

In a file it is YAML whose keys are these fields (`triptych recipes show NAME`); an unknown key is
an error that names the nearest. Selection is by `type`, from the closed unions below.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

from triptych.architectures.architecture import Architecture
from triptych.architectures.scorer import ScorerArchitecture
from triptych.data.drawn import DrawnWorld
from triptych.data.mixture import MixtureConfig
from triptych.errors import ConfigError
from triptych.objectives.mixture import PairObjectives
from triptych.train import TrainConfig
from triptych.train.config import Panel


@dataclass(frozen=True, kw_only=True, slots=True)
class PanelSources:
    """Whose weights panels begin with: a folder or a name on the Hub; empty for fresh ones."""

    vision: str = ""
    connector: str = ""
    fusion: str = ""
    language: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshModel:
    """A system with fresh weights, or with panels of other models."""

    architecture: str | Architecture
    """Its name (`triptych models` lists them), or all of its configuration."""

    panels: PanelSources = PanelSources()
    """Where its panels come from; each must be of exactly that kind and size."""

    tokenizer: str = ""
    """Folder or name on the Hub of a model whose tokenizer it takes; empty for that of the language
    panel's model. A debug twin needs none."""

    seed: int = 0
    """Of the fresh weights."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishedModel:
    """A model as it is: its weights, its tokenizer."""

    source: str
    """Folder or name on the Hub."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinedModel:
    """Two published panels with a fresh connector between them, as `triptych build` makes it."""

    vision: str
    """Folder or name on the Hub of a vision encoder."""

    language: str
    """Folder or name on the Hub of a language model."""

    connector: str = "mlp"
    """attention_pool, linear, merger, mlp, pixel_shuffle, qformer or resampler."""

    seed: int = 0
    """Of the connector's weights."""


Beginning: TypeAlias = FreshModel | FinishedModel | JoinedModel
"""What a run can begin with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshMatcher:
    """A matcher around the vision panel of the model, with a Q-Former that begins anew.

    What the Q-Former has learned becomes the model's connector, without its text side and with a
    fresh way to the language panel. The matcher is kept in the stage's folder, too.
    """

    architecture: str | ScorerArchitecture
    """Its name, like blip2_itm, or all of its configuration; vision panel and Q-Former are of the
    model's kind and size."""

    tokenizer: str = ""
    """Folder or name on the Hub of a model whose tokenizer its texts take; a debug twin needs
    none."""

    twin: str | ScorerArchitecture = ""
    """Debug architecture of the same kind, for the debug twin of the recipe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One stage: it goes on with the weights of the one before."""

    name: str
    """Also its folder inside of the run's."""

    train: TrainConfig
    """Which panels move, what is learned, for how long."""

    data: MixtureConfig
    """What it is trained on."""

    matcher: FreshMatcher | None = None
    """What is trained instead of the model, on pairs of a picture and a text; None for the model
    itself."""

    fresh: tuple[Panel, ...] = ()
    """Panels that begin anew in this stage, whatever the stages before have made of them."""

    validation: MixtureConfig | None = None
    """What decides which checkpoint is best; None for samples of the training mixture, which tells
    no more than that the run goes on."""

    num_validated: int = 64
    """Samples that are looked at to validate."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ConfigError(
                f"a stage is called {self.name!r}, but its name is a folder's; write letters, "
                "digits, - and _"
            )
        for panel in self.fresh:
            if not getattr(self.train.learning_rates, panel):
                raise ConfigError(
                    f"stage {self.name} begins {panel} anew and does not train it; give it a rate "
                    "under train.learning_rates, or leave it out of fresh"
                )
        if self.num_validated < 1:
            raise ConfigError(f"num_validated must be at least 1, got {self.num_validated}")
        self._check_matcher()
        learned = self.train.objectives.learned
        if "preferring" in learned:
            raise ConfigError(
                f"stage {self.name} is to learn preferences, but no source gives pairs of answers; "
                "call triptych.train.fit with samples of encode_answers(prompt, [chosen, rejected])"
            )
        sources = [share.source for share in self.data.shares]
        if "seeing" in learned and not any(map(_describes, sources)):
            raise ConfigError(
                f"stage {self.name} is to learn seeing, but none of its sources says what visual "
                "tokens show; set describes: true in a DrawnWorld, or objectives.seeing to 0"
            )

    def _check_matcher(self) -> None:
        is_paired = isinstance(self.train.objectives, PairObjectives)
        if is_paired != (self.matcher is not None):
            raise ConfigError(
                f"stage {self.name} {'has no' if is_paired else 'trains a'} matcher and "
                f"{type(self.train.objectives).__name__}; a matcher learns PairObjectives, the "
                "model Objectives"
            )
        if self.matcher is not None and self.train.learning_rates.language:
            raise ConfigError(
                f"stage {self.name} trains a matcher, which has no language panel; leave language "
                "out of train.learning_rates"
            )
        if self.matcher is not None and self.fresh:
            raise ConfigError(
                f"stage {self.name} trains a matcher, whose Q-Former is fresh anyway; leave out "
                f"fresh={list(self.fresh)}"
            )


def _describes(source: object) -> bool:
    return isinstance(source, DrawnWorld) and source.describes


@dataclass(frozen=True, kw_only=True, slots=True)
class StagedRecipe:
    """A complete run."""

    summary: str
    """One line for the list of recipes."""

    model: Beginning
    """What it begins with."""

    stages: tuple[Stage, ...]
    """In the order in which they are run."""

    paper: str = ""
    """Where the staging was published."""

    twin: str | Architecture = ""
    """Debug architecture of the same kind, by its name or all of its configuration. The recipe
    NAME_debug trains it in the same stages on drawn pictures, on a CPU in seconds."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError("a recipe needs at least one stage")
        names = [stage.name for stage in self.stages]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two stages are called {name!r}; give each a name of its own")
