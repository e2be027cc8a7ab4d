"""Whether a recipe could be run: what can be told before a weight is read or a sample opened."""

from collections.abc import Iterator
from pathlib import Path

from triptych.architectures import Architecture
from triptych.checkpoint.building import CONNECTORS
from triptych.data.mixture import Share
from triptych.errors import ConfigError, DataError, UnknownNameError
from triptych.fusion.splice import SpliceConfig
from triptych.recipes.beginning import resolve
from triptych.recipes.comparing import check_fits, resolve_matcher
from triptych.recipes.staged import moving
from triptych.recipes.stages import FreshModel, JoinedModel, Stage, StagedRecipe

PATHS = ("path", "questions", "annotations", "images", "refs", "folder")
"""Fields of sources that name one file or folder."""


def check_recipe(recipe: StagedRecipe, data: Path | None = None) -> list[str]:
    """A line a stage of what it would do.

    Paths of sources are looked for where `data` says what they are relative to.

    Raises:
        UnknownNameError: there is no such architecture, matcher or connector.
        ConfigError: a stage trains a panel that has no weights, or none at all, or a matcher that
            the model could not be given.
        DataError: a file or folder of a source is not there.
    """
    if recipe.twin:
        resolve(recipe.twin)
    design = _design(recipe)
    for stage in recipe.stages:
        _check_panels(stage, design)
        for share in stage.data.shares + (stage.validation.shares if stage.validation else ()):
            _check_files(share, data)
    return [_line(stage) for stage in recipe.stages]


def _design(recipe: StagedRecipe) -> Architecture | None:
    """What is trained, where no file has to be read to know it."""
    if isinstance(recipe.model, JoinedModel) and recipe.model.connector not in CONNECTORS:
        raise UnknownNameError("connector", recipe.model.connector, CONNECTORS)
    return resolve(recipe.model.architecture) if isinstance(recipe.model, FreshModel) else None


def _check_panels(stage: Stage, design: Architecture | None) -> None:
    names = moving(stage.train)
    if not names:
        raise ConfigError(
            f"stage {stage.name} trains no panel; give one a rate above 0 under "
            "train.learning_rates"
        )
    if stage.matcher is not None:
        matcher = resolve_matcher(stage.matcher.architecture)
        if stage.matcher.twin:
            resolve_matcher(stage.matcher.twin)
        if design is not None:
            check_fits(matcher, design.model, design.name)
        return  # its fusion has weights
    is_spliced = design is not None and isinstance(design.model.fusion, SpliceConfig)
    if is_spliced and "fusion" in names:
        raise ConfigError(
            f"stage {stage.name} trains fusion, which has no weights in this architecture; leave "
            "it out of train.learning_rates"
        )


def _check_files(share: Share, data: Path | None) -> None:
    for path in _paths(share.source, data) if data is not None else ():
        if not path.exists():
            raise DataError(
                f"{type(share.source).__name__} reads {path}, which is not there; mend the recipe "
                "or --data"
            )


def _paths(source: object, data: Path) -> Iterator[Path]:
    for name in PATHS:
        value = getattr(source, name, "")
        if value:
            yield data / str(value)


def _line(stage: Stage) -> str:
    train = stage.train
    rates = ", ".join(
        f"{panel} {getattr(train.learning_rates, panel):g}" for panel in moving(train)
    )
    learned = ", ".join(
        f"{name} x {getattr(train.objectives, name):g}" for name in train.objectives.learned
    )
    sources = ", ".join(type(share.source).__name__ for share in stage.data.shares)
    length = f"{train.max_steps:,} steps" if train.max_steps else f"{train.epochs} epochs"
    samples = train.batch_size * train.accumulate
    return f"{stage.name}: {rates}; {learned}; {length} of {samples:,} samples from {sources}"
