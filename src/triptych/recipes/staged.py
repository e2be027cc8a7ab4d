"""Running a recipe in stages.

    runs/NAME/recipe.yaml                    as it was resolved
    runs/NAME/STAGE/record.jsonl, ...        what every run writes, stage by stage
    runs/NAME/STAGE/left_out.json            what each source left out, and why
    runs/NAME/STAGE/adapter/                 of a stage with adapters: all that it trained
    runs/NAME/STAGE/matcher/                 of a stage that compares: the matcher, as published
    runs/NAME/model/, scores.json            what came of it

A run that is gone on with passes through the stages that are done and takes up the one that is not.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from triptych.checkpoint.files import write_bytes, write_json
from triptych.checkpoint.model_folder import LoadedModel, save_model
from triptych.checkpoint.scorers import LoadedScorer, export_scorer
from triptych.config import to_dict
from triptych.data.mixture import Mixture
from triptych.errors import ConfigError
from triptych.fusion.dual import DualEncoder
from triptych.fusion.matching import Matcher
from triptych.fusion.vlm import PANELS
from triptych.objectives.mixture import PairObjectives
from triptych.pairs import PairProcessor
from triptych.preflight.looked import Looked
from triptych.preflight.memory import TrainingForecast, compare_with_run, foresee_training
from triptych.preflight.pairs import look_at_pairs_before
from triptych.preflight.walking import look_before
from triptych.processor import Processor, Sample
from triptych.recipes.beginning import begin
from triptych.recipes.comparing import as_scorer, begin_anew, begin_matcher, hand_over
from triptych.recipes.stages import FinishedModel, Stage, StagedRecipe
from triptych.recipes.yaml_files import write_yaml
from triptych.train import TrainConfig, fit
from triptych.train.checkpoints import has_checkpoint
from triptych.train.memory import peak_memory_bytes
from triptych.train.passes import Passes, Trained
from triptych.train.placing import check_device, place
from triptych.train.plot import plot_run
from triptych.train.ranks import is_first_rank
from triptych.train.record import read_record, say
from triptych.train.step import mean_losses

LEFT_OUT = "left_out.json"
MATCHER = "matcher"


def run(recipe: StagedRecipe, data: Path | None, folder: Path, resume: bool) -> dict[str, object]:
    """Train stage by stage; paths of sources are relative to `data`.

    Raises:
        DataError: a source cannot be read, or too many of its samples cannot be used.
        TrainingError, UsageError, CheckpointError: as `triptych.train.fit`, `begin`.
    """
    started = time.monotonic()
    for stage in recipe.stages:  # not after hours of the stages before
        check_device(stage.train.device)
    if is_first_rank():
        write_bytes(folder / "recipe.yaml", write_yaml(to_dict(recipe)).encode())
    loaded = begin(recipe.model, folder.resolve().name)
    stages: dict[str, object] = {
        stage.name: run_stage(
            stage,
            loaded,
            data or Path(),
            folder / stage.name,
            resume=resume,
            base=base_of_stage(recipe, stage),
        )
        for stage in recipe.stages
    }
    if is_first_rank():
        save_model(folder / "model", loaded.architecture, loaded.model, loaded.processor.tokenizer)
    result: dict[str, object] = {
        "stages": stages,
        "minutes of this sitting": (time.monotonic() - started) / 60,
        "peak_memory_gb": peak_memory_bytes() / 1e9,
        "files": {"model": str(folder / "model"), "recipe.yaml": str(folder / "recipe.yaml")},
    }
    if is_first_rank():
        write_json(folder / "scores.json", result)
    return result


def base_of_stage(recipe: StagedRecipe, stage: Stage) -> str:
    """The model that a stage's adapters belong to; empty where it is in no folder of its own,
    because an earlier stage has moved what this one leaves as it is."""
    if not isinstance(recipe.model, FinishedModel) or stage.matcher is not None:
        return ""
    earlier = recipe.stages[: recipe.stages.index(stage)]
    moved = {panel for each in earlier for panel in moving(each.train)}
    if moved - (set(moving(stage.train)) - set(stage.train.lora.panels)):
        return ""
    source = recipe.model.source
    return str(Path(source).resolve()) if Path(source).is_dir() else source


def run_stage(
    stage: Stage,
    loaded: LoadedModel,
    root: Path,
    folder: Path,
    *,
    resume: bool,
    base: str = "",
) -> dict[str, object]:
    """Train one stage in place; returns what it took and what it gave.

    `base` is the folder or name of the model that its adapters belong to.
    """
    train = stage.train
    learner = loaded if stage.matcher is None else begin_matcher(stage.matcher, loaded, train.seed)
    processor = learner.processor
    looked = None
    if is_first_rank() and not has_checkpoint(folder):
        looked = _look_first(stage, processor, root)
    source = stage.data.build(processor, root, train.seed)
    forecast = None
    if looked is not None and looked.lengths and stage.matcher is None:
        forecast = foresee_training(loaded.architecture, train, looked, len(source))
    if stage.matcher is not None:
        _check_no_pair_is_alone(len(source), train)
    if is_first_rank():
        say(f"stage {stage.name} trains {', '.join(moving(train))} on {len(source):,} samples")
        for line in source.summary().splitlines():
            say(line)
        write_left_out(source, folder)
    held_out = source
    if stage.validation is not None:
        held_out = stage.validation.build(processor, root, train.seed)
    samples = _first_samples(held_out, stage.num_validated)
    begin_anew(stage.fresh, loaded, train.seed)
    model = learner.model
    assert not isinstance(model, DualEncoder), "of what compares only matchers are trained"
    place(model, train.device)
    before = held_out_losses(model.eval(), processor, samples, train)
    progress = fit(
        learner.architecture,
        model,
        processor,
        source,
        train,
        folder,
        validate=lambda each: held_out_losses(each, processor, samples, train),
        resume=resume and has_checkpoint(folder),
        base=base,
        shown=samples,
    )
    if isinstance(learner, LoadedScorer):
        _finish_matcher(learner, loaded, train, folder)
    if is_first_rank():
        write_left_out(source, folder)
        plot_run(folder / "record.jsonl", folder / "loss.png")
        if forecast is not None:
            say(_told_ratios(forecast, folder))
    last = read_record(folder / "record.jsonl")[-1]
    return {
        "trained": moving(train),
        "learned": list(train.objectives.learned),
        "steps": progress.step,
        "minutes": progress.seconds / 60,
        **{f"{name} before": value for name, value in before.items()},
        **{name: last[name] for name in before},
    }


def _look_first(stage: Stage, processor: Processor | PairProcessor, root: Path) -> Looked:
    if isinstance(processor, PairProcessor):
        return look_at_pairs_before(stage.data, processor, root, say=say)
    return look_before(stage.data, processor, root, say=say)


def _told_ratios(forecast: TrainingForecast, folder: Path) -> str:
    """What was foreseen beside what happened."""
    ratios = compare_with_run(forecast, folder, memory_gb=peak_memory_bytes() / 1e9)
    told = [f"{name} {foreseen:,.4g} | {came:,.4g}" for name, (foreseen, came, _) in ratios.items()]
    return f"foreseen | happened: {', '.join(told)}"


def _check_no_pair_is_alone(num_pairs: int, train: TrainConfig) -> None:
    """Refuse an epoch whose last forward pass has one pair, which nothing could be told from."""
    ends_before = train.max_steps and (
        train.max_steps * train.batch_size * train.accumulate < num_pairs
    )
    if train.batch_size == 1 or (num_pairs % train.batch_size == 1 and not ends_before):
        raise ConfigError(
            f"{num_pairs} pairs in batches of {train.batch_size} leave one alone, which nothing "
            "is told from; set data.num_samples to one less, or choose another batch_size"
        )


def _finish_matcher(
    learner: LoadedScorer, loaded: LoadedModel, train: TrainConfig, folder: Path
) -> None:
    """Give the model what the Q-Former has learned, and keep the matcher."""
    assert isinstance(learner.model, Matcher)
    hand_over(learner.model, loaded, train.seed)
    place(loaded.model, train.device)  # its vision panel is there already
    if is_first_rank():
        export_scorer(folder / MATCHER, as_scorer(learner))


def moving(train: TrainConfig) -> list[str]:
    """The panels that a stage trains."""
    return [panel for panel in PANELS if getattr(train.learning_rates, panel)]


def write_left_out(source: Mixture, folder: Path) -> None:
    """What each source of a mixture left out."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / LEFT_OUT, [ledger.as_dict() for ledger in source.ledgers])


def _first_samples(source: Mixture, count: int) -> list[Sample]:
    return [
        source.sample(index, torch.Generator().manual_seed(index))
        for index in range(min(count, len(source)))
    ]


def held_out_losses(
    model: Trained,
    processor: Processor | PairProcessor,
    samples: Sequence[Sample],
    train: TrainConfig,
) -> dict[str, float]:
    """Means of a stage's objectives over samples, as its record has them.

    `val_loss` is that of the first; of a matcher the weighted sum, each objective beside it.
    """
    means = mean_losses(Passes(model, processor, train).of(samples, torch.Generator()))
    objectives = train.objectives
    if not isinstance(objectives, PairObjectives):
        return {"val_loss": means[objectives.learned[0]]}
    weighted = sum(getattr(objectives, name) * means[name] for name in objectives.learned)
    return {"val_loss": weighted, **{f"val_{name}": means[name] for name in objectives.learned}}
