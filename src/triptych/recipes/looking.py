"""The data of a recipe, or of one file, looked through before anything is trained."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from triptych.architectures import ARCHITECTURES, Architecture, debug_tokenizer
from triptych.checkpoint.hub import model_folder
from triptych.checkpoint.layouts import open_architecture
from triptych.checkpoint.model_folder import TOKENIZER
from triptych.config import override
from triptych.data.mixture import MixtureConfig, Share
from triptych.data.sources import MessagesSource
from triptych.errors import UsageError
from triptych.preflight.memory import foresee_training
from triptych.preflight.pairs import look_at_pairs
from triptych.preflight.report import LookedStage
from triptych.preflight.walking import look_through
from triptych.processor import Processor
from triptych.recipes import StagedRecipe, find_recipe
from triptych.recipes.beginning import begin, resolve, special_tokens
from triptych.recipes.comparing import pair_processor, resolve_matcher
from triptych.recipes.stages import Beginning, FinishedModel, FreshModel, Stage
from triptych.tasks import find_model
from triptych.text import Tokenizer
from triptych.train import fit
from triptych.train.record import read_record

_TIMED_STEPS = 4


def look_at_file(
    path: Path, model: str, *, opens: bool, num_samples: int = 0, offline: bool = False
) -> LookedStage:
    """Look through a JSONL file of messages, for a model by any of its names.

    Raises:
        UnknownNameError, CheckpointError: there is no such model.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}; name a JSONL file of messages, or a recipe")
    if model in ARCHITECTURES and model.endswith("_debug"):
        _, processor = design_of(FreshModel(architecture=model), model)
    else:
        _, processor = _of_folder(find_model(model, offline=offline, weights=False))
    source = MessagesSource(path=str(path.resolve()))
    mixture = MixtureConfig(shares=(Share(source=source),))
    looked = look_through(mixture, processor, opens=opens, num_samples=num_samples)
    return LookedStage(path.name, processor, looked)


def look_at_recipe(
    name: str,
    assignments: Sequence[str],
    data: Path | None,
    *,
    opens: bool,
    num_samples: int = 0,
    times: bool = False,
) -> list[LookedStage]:
    """Look through the data of every stage of a recipe.

    Raises:
        UnknownNameError: there is no such recipe or architecture.
        UsageError: the recipe is a function, whose data cannot be seen from outside.
    """
    recipe = override(find_recipe(name).default, assignments)
    if not isinstance(recipe, StagedRecipe):
        raise UsageError(
            f"{name} makes its data while it runs; check a recipe in stages, or a JSONL file"
        )
    design, processor = design_of(recipe.model, name)
    found: list[LookedStage] = []
    for stage in recipe.stages:
        if stage.matcher is not None:
            pairs = pair_processor(stage.matcher, resolve_matcher(stage.matcher.architecture))
            looked = look_at_pairs(stage.data, pairs, data or Path(), num_samples=num_samples)
            found.append(LookedStage(stage.name, processor, looked))
            continue
        looked = look_through(
            stage.data,
            processor,
            data or Path(),
            held_out=stage.validation,
            opens=opens,
            num_samples=num_samples,
        )
        forecast = None
        if looked.lengths:
            seconds = _timed(stage, design, processor, data or Path()) if times else None
            usable = sum(each.num_samples - each.num_unusable for each in looked.sources)
            count = stage.data.num_samples or usable
            forecast = foresee_training(design, stage.train, looked, count, seconds)
        found.append(LookedStage(stage.name, processor, looked, forecast))
    return found


def design_of(model: Beginning, name: str) -> tuple[Architecture, Processor]:
    """What a run begins with, without its weights; only two panels that are to be joined are read.

    Raises:
        UnknownNameError, ConfigError, CheckpointError: as `begin`.
    """
    match model:
        case FinishedModel():
            return _of_folder(model_folder(model.source, weights=False))
        case FreshModel() if source := model.tokenizer or model.panels.language:
            design = resolve(model.architecture)
            folder = model_folder(source, weights=False)
            tokenizer = Tokenizer.from_file(folder / TOKENIZER)
            return design, Processor(design.processor, design.model, tokenizer)
        case FreshModel() if resolve(model.architecture).name.endswith("_debug"):
            design = resolve(model.architecture)
            tokenizer = debug_tokenizer(special_tokens(design.processor))
            return design, Processor(design.processor, design.model, tokenizer)
        case _:
            loaded = begin(model, name)  # says what is missing of a fresh one
            return loaded.architecture, loaded.processor


def _of_folder(folder: Path) -> tuple[Architecture, Processor]:
    design = open_architecture(folder)
    tokenizer = Tokenizer.from_file(folder / TOKENIZER)
    return design, Processor(design.processor, design.model, tokenizer)


def _timed(stage: Stage, design: Architecture, processor: Processor, root: Path) -> float:
    """Seconds of a step, of a few steps with fresh weights; the first is not counted."""
    train = replace(
        stage.train,
        max_steps=_TIMED_STEPS,
        epochs=_TIMED_STEPS,
        validate_every=10**9,
        num_workers=0,
    )
    source = stage.data.build(processor, root, train.seed)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            design,
            design.build(0),
            processor,
            source,
            train,
            Path(folder),
            validate=lambda _: {"val_loss": 0.0},
        )
        lines = read_record(Path(folder) / "record.jsonl")
    return (float(lines[-1]["seconds"]) - float(lines[0]["seconds"])) / max(1, len(lines) - 1)
