"""The training loop, which can be read from top to bottom.

    order -> samples -> batches -> loss -> gradients -> step -> record
                                                          |
                              now and then: validate, checkpoint

The loss of a step is the mean over all its supervised tokens (or whatever else is learned),
however they are spread over forward passes. A run that is killed at any moment goes on from its
last checkpoint as if nothing had happened: order, augmentation and dropout are functions of the
step, everything else is in the checkpoint.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from triptych.adapters import merge
from triptych.architectures.architecture import Architecture
from triptych.architectures.scorer import ScorerArchitecture
from triptych.checkpoint.adapter_folder import save_adapter
from triptych.config import to_dict
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample
from triptych.train.beginning import begin
from triptych.train.checkpoints import Checkpoints, Progress
from triptych.train.config import TrainConfig
from triptych.train.ending import interrupted, saved_if_broken_off, stop_if_hopeless
from triptych.train.keeping import Keeper
from triptych.train.live import LiveView
from triptych.train.locking import locked
from triptych.train.memory import freed_memory_kept
from triptych.train.passes import Trained
from triptych.train.placing import place
from triptych.train.ranks import join
from triptych.train.record import Line, plain, say
from triptych.train.run import Rewrite, Run, Validate
from triptych.train.showing import Showing
from triptych.train.signals import stop_requests
from triptych.train.source import SampleSource
from triptych.train.training_step import training_step
from triptych.train.validation import run_validation, showing_of, summary
from triptych.train.workers import Maker, sample_maker
from triptych.train.writers import Writers, open_writers

ADAPTER = "adapter"
"""Folder inside of a run's: what was trained, where adapters were."""


def fit(
    architecture: Architecture | ScorerArchitecture,
    model: Trained,
    processor: Processor | PairProcessor,
    source: SampleSource,
    config: TrainConfig,
    folder: Path,
    *,
    validate: Validate,
    rewrite: Rewrite | None = None,
    resume: bool = False,
    base: str = "",
    shown: Sequence[Sample] = (),
) -> Progress:
    """Train `model` in place; afterwards it carries the averaged weights, adapters merged.

    With `rewrite` a step learns from what that makes of its samples (a model's own answers with
    their rewards, say) instead of from the samples themselves. An adapter names `base` as the model
    that it belongs to: a folder, or a name on the Hub. Of `shown` (of the source, where there are
    none) the first `num_shown` samples are answered at every validation.

    Raises:
        Interrupted: SIGINT or SIGTERM came; a checkpoint has been written.
        UsageError: the folder holds another run, and it is not to be resumed.
        TrainingError: another run is at work in the folder; loss or gradient are no numbers, step
            after step; workers die, or other processes of this run.
        DataError: more samples than tolerated are unusable.
    """
    place(model, config.device)
    ranks = join()
    run = Run.prepare(model, processor, source, config, validate, rewrite, ranks)
    shared_by = None if run.shards is None else ranks
    checkpoints = Checkpoints(folder, architecture, processor.tokenizer, run.adapters, shared_by)
    alone = locked(folder) if ranks.is_first else nullcontext()
    with stop_requests() as ranks.stop, torch.random.fork_rng(), ranks.telling(), alone:
        progress = begin(run, checkpoints, resume=resume)
        opened = _open(run, processor, checkpoints, progress, shown)
        with freed_memory_kept(), opened as sitting:
            _train(sitting)
        run.average.keep()
        if run.shards is not None:
            run.shards.dissolve()
        if run.adapters is not None and ranks.is_first:
            save_adapter(folder / ADAPTER, architecture, run.adapters, base)
        ranks.exchange("all is written")
    if run.adapters is not None:
        merge(model)
    model.eval()
    return progress


@dataclass(frozen=True, slots=True)
class _Sitting:
    """A run and what is open while it goes on, from its beginning or from a checkpoint."""

    run: Run
    progress: Progress
    maker: Maker
    keep: Keeper
    view: LiveView
    writers: Writers
    showing: Showing | None


def _train(sitting: _Sitting) -> None:
    """Step after step, until all are done."""
    run, progress, keep = sitting.run, sitting.progress, sitting.keep
    line = progress.unvalidated
    while line is not None or progress.step < run.num_steps:
        with saved_if_broken_off(run, keep):
            if line is None:
                line = _learn(sitting)
            if _is_due(progress.step, run.validate_every, run):
                line |= _validate(sitting)
        keep.write(line)
        sitting.writers.write(line)
        stop_if_hopeless(run, keep, line)
        line = progress.unvalidated = None
        is_best = progress.best_step == progress.step
        if is_best or _is_due(progress.step, run.config.checkpoint_every, run):
            keep.save()
        # The others do not know yet; they are told where the next step begins.
        if run.ranks.stop.requested and run.ranks.num_ranks == 1:
            raise interrupted(run, keep)


def _learn(sitting: _Sitting) -> Line:
    """One step; its line in the record, which is kept until it is written."""
    with sitting.view.counting():
        learned = training_step(sitting.run, sitting.maker, sitting.progress)
    sitting.progress.unvalidated = plain(learned.line)
    sitting.keep.note(learned.notes)
    sitting.view.advance(learned.line)
    return learned.line


def _validate(sitting: _Sitting) -> dict[str, float]:
    scores = run_validation(sitting.run, sitting.progress, sitting.showing)
    sitting.view.note(summary(sitting.run, sitting.progress, scores))
    sitting.view.note_scores(scores)
    return scores


def _is_due(step: int, every: int, run: Run) -> bool:
    return step % every == 0 or step == run.num_steps


@contextmanager
def _open(
    run: Run,
    processor: Processor | PairProcessor,
    checkpoints: Checkpoints,
    progress: Progress,
    shown: Sequence[Sample],
) -> Generator[_Sitting]:
    """Open what a run writes into and what makes its samples."""
    folder, is_first, done = checkpoints.run, run.ranks.is_first, progress.step
    keep = Keeper(folder, checkpoints, run.average, run.optimizer, progress, is_writing=is_first)
    showing = showing_of(run, processor, folder, shown)
    if showing is not None:
        showing.cut(done - (progress.unvalidated is not None))
    names = run.config.writers if is_first else ()
    with (
        _view(run, done) as view,
        open_writers(names, folder, done, to_dict(run.config) if names else {}) as writers,
        sample_maker(run.source, run.order, run.config, run.num_steps, say) as maker,
    ):
        yield _Sitting(run, progress, maker, keep, view, writers, showing)


def _view(run: Run, done: int) -> LiveView:
    return LiveView(
        run.num_steps,
        done,
        run.config.objectives.learned,
        dtype=getattr(torch, run.config.precision),
        device=run.model.device,
        is_shown=run.ranks.is_first,
    )
