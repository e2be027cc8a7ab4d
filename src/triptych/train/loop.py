"""The training loop, in one function that can be read from top to bottom.

    order -> samples -> batches -> loss -> gradients -> step -> record
                                                          |
                              now and then: validate, checkpoint

The loss of a step is the mean over all its supervised tokens (or whatever else is learned),
however they are spread over forward passes. A run that is killed at any moment goes on from its
last checkpoint as if nothing had happened: order, augmentation and dropout are functions of the
step, everything else is in the checkpoint.
"""

import copy
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from triptych.adapters import Adapters, attach, merge
from triptych.architectures.architecture import Architecture
from triptych.architectures.scorer import ScorerArchitecture
from triptych.checkpoint.adapter_folder import save_adapter
from triptych.config import to_dict
from triptych.data.ledger import LeftOut
from triptych.errors import CheckpointError, ConfigError, TrainingError
from triptych.fusion.matching import Matcher
from triptych.fusion.vlm import VLM
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample
from triptych.train.average import WeightAverage
from triptych.train.checkpoints import Checkpoints, Progress, refuse_to_replace
from triptych.train.config import TrainConfig
from triptych.train.keeping import Keeper
from triptych.train.live import LiveView
from triptych.train.locking import locked
from triptych.train.norms import gates_of
from triptych.train.optimizer import (
    build_optimizer,
    freeze,
    panels_of,
    rate_factor,
    set_rates,
    set_training,
)
from triptych.train.order import Order
from triptych.train.passes import Passes, Trained
from triptych.train.placing import place
from triptych.train.ranks import RankLostError, Ranks, join
from triptych.train.recomputing import set_recomputed
from triptych.train.record import Line, plain, say
from triptych.train.scaling import LossScale
from triptych.train.showing import MOST_SHOWN, Showing
from triptych.train.signals import BrokenOff, StopRequest, stop_requests
from triptych.train.source import SampleSource, count_notes
from triptych.train.step import gradients
from triptych.train.workers import Maker, WorkerLostError, sample_maker
from triptych.train.writers import Writers, open_writers

Rewrite = Callable[
    [VLM, Sequence[Sample], torch.Generator], tuple[Sequence[Sample], dict[str, float]]
]
"""Makes other samples of a step's samples with the help of the model, and says what it noticed."""

Validate = Callable[[Any], dict[str, float]]
"""Scores of a model on held-out samples; `val_loss` decides which checkpoint is best. Typed `Any`
because it is asked of the model that is trained, of whichever class that is."""

ADAPTER = "adapter"
"""Folder inside of a run's: what was trained, where adapters were."""

GRACE_S = 10.0
"""Time that a step may still take once the run was asked to stop; then it is thrown away."""


class Interrupted(TrainingError):
    """A run was asked to stop and has written a checkpoint."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


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
    run = _Run.prepare(model, processor, source, config, validate, rewrite, ranks)
    num_steps = run.num_steps
    checkpoints = Checkpoints(folder, architecture, processor.tokenizer, run.adapters)
    with stop_requests() as ranks.stop, torch.random.fork_rng(), ranks.telling(), ExitStack() as on:
        stop = ranks.stop
        if ranks.is_first:
            on.enter_context(locked(folder))
        progress = _begin(run, checkpoints, resume=resume)
        keep = Keeper(
            folder,
            checkpoints,
            run.average,
            run.optimizer,
            progress,
            is_writing=ranks.is_first,
        )
        showing = _showing(run, processor, folder, shown)
        if showing is not None:
            showing.cut(progress.step - (progress.unvalidated is not None))
        with (
            _view(run, progress.step) as view,
            _writers(run, progress.step, folder) as writers,
            sample_maker(source, run.order, config, num_steps, say) as maker,
        ):
            line = progress.unvalidated
            while line is not None or progress.step < num_steps:
                try:
                    if line is None:
                        with view.counting():
                            learned = _step(run, maker, progress, stop)
                        line = learned.line
                        keep.note(learned.notes)
                        view.advance(line)
                    if _due(progress.step, run.validate_every, num_steps):
                        scores = _validate(run, progress, stop, showing)
                        line |= scores
                        view.note(_summary(progress, run.order, scores))
                        view.note_scores(scores)
                except BrokenOff:
                    progress.unvalidated = line and plain(line)
                    raise _interrupted(keep, stop, num_steps) from None
                except WorkerLostError as error:
                    keep.give_up()
                    raise WorkerLostError(f"{error}; then go on with --resume") from error
                except RankLostError as error:
                    progress.unvalidated = line and plain(line)
                    keep.save_unless_saved()
                    raise RankLostError(
                        f"{error}; see why, then go on with --resume from step {progress.step}"
                    ) from error
                keep.write(line)
                writers.write(line)
                if progress.bad_steps >= config.max_bad_steps:
                    keep.give_up()
                    raise TrainingError(_why_hopeless(line, config))
                line = progress.unvalidated = None
                is_best = progress.best_step == progress.step
                if is_best or _due(progress.step, config.checkpoint_every, num_steps):
                    keep.save()
                # The others do not know yet; they are told where the next step begins.
                if stop.requested and ranks.num_ranks == 1:
                    raise _interrupted(keep, stop, num_steps)
        run.average.keep()
        if run.adapters is not None and ranks.is_first:
            save_adapter(folder / ADAPTER, architecture, run.adapters, base)
        ranks.exchange("all is written")
    if run.adapters is not None:
        merge(model)
    model.eval()
    return progress


@dataclass(frozen=True, slots=True)
class _Run:
    """All that stays the same while a run goes on."""

    model: Trained
    passes: Passes
    source: SampleSource
    config: TrainConfig
    validate: Validate
    rewrite: Rewrite | None
    order: Order
    optimizer: torch.optim.Optimizer
    average: WeightAverage
    adapters: Adapters | None
    scale: LossScale
    ranks: Ranks

    @classmethod
    def prepare(
        cls,
        model: Trained,
        processor: Processor | PairProcessor,
        source: SampleSource,
        config: TrainConfig,
        validate: Validate,
        rewrite: Rewrite | None,
        ranks: Ranks,
    ) -> "_Run":
        """Freeze what does not move, and make what moves the rest.

        Raises:
            ConfigError: nothing would be trained, model and objectives do not go together, or a
                sample does not fit into a row.
        """
        # Before the weights of a checkpoint are read: what is started from, not gone on from.
        is_preferring = "preferring" in config.objectives.learned
        reference = _frozen_copy(model) if is_preferring else None
        passes = Passes(model, processor, config, reference)
        order = replace(
            _order(processor, source, config, is_rewritten=rewrite is not None),
            rank=ranks.rank,
            num_ranks=ranks.num_ranks,
            together=_num_together(model, config, ranks),
        )
        set_recomputed(model, config)
        adapters = _adapters(model, config)
        freeze(model, config.learning_rates)
        optimizer = build_optimizer(model, config)
        return cls(
            model,
            passes,
            source,
            config,
            validate,
            rewrite,
            order,
            optimizer,
            WeightAverage(model, config.ema_decay),
            adapters,
            LossScale(optimizer, model.device.type, enabled=config.precision == "float16"),
            ranks,
        )

    @property
    def num_steps(self) -> int:
        whole = self.config.epochs * self.order.steps_per_epoch
        return min(whole, self.config.max_steps) if self.config.max_steps else whole

    @property
    def validate_every(self) -> int:
        return self.config.validate_every or self.order.steps_per_epoch


@dataclass(frozen=True, slots=True)
class _Learned:
    """What a step did."""

    line: Line
    """Its line in the record."""
    notes: Sequence[LeftOut]
    """What was noted of the samples that it was made of."""


def _begin(run: _Run, checkpoints: Checkpoints, *, resume: bool) -> Progress:
    """Where all ranks start from: alike in every number."""
    progress, ranks = Progress(), run.ranks
    if ranks.is_first and not resume:
        refuse_to_replace(checkpoints.run)
        checkpoints.clear()
    if ranks.is_first and resume:
        progress = checkpoints.load_last(run.average, run.optimizer)
    # The first one has set aside what is damaged; the others read what it has read.
    [step, *_] = ranks.exchange(progress.step)
    if resume and not ranks.is_first:
        progress = checkpoints.load_last(run.average, run.optimizer)
        if progress.step != step:
            raise CheckpointError(
                f"{checkpoints.folder} ends at step {progress.step} for {ranks.name}, but at "
                f"{step} for the first; give all of them the same folder"
            )
    ranks.share(run.model.state_dict().values())
    run.scale.load(progress)
    return progress


def _step(run: _Run, maker: Maker, progress: Progress, stop: StopRequest) -> _Learned:
    """One step: samples, their gradient, and then, at once, all that it changes."""
    model, config, optimizer, step = run.model, run.config, run.optimizer, progress.step
    started = time.monotonic()
    set_rates(optimizer, rate_factor(step, run.num_steps, config))
    set_training(model, config.learning_rates)
    torch.manual_seed(run.order.dropout_seed(step))
    with stop.breakable(GRACE_S):
        made = maker.take(step)
        notes = count_notes(run.source, run.order, step, made, run.ranks)
        with _precision(model, config):
            samples, noticed = _rewritten(run, [each.sample for each in made], step)
            passes = run.passes.of(samples, run.order.step_generator(step))
            outcome = gradients(model, passes, config, step, run.scale, run.ranks)
    overflowed = run.scale.update() and outcome.fault == "gradient"
    if not outcome.fault:
        optimizer.step()
        run.average.update(step)
    optimizer.zero_grad(set_to_none=True)
    run.scale.save(progress)
    progress.overflows += overflowed
    progress.count("" if overflowed else outcome.fault, time.monotonic() - started)
    line = outcome.line(progress.step, progress.seconds, optimizer) | gates_of(model) | noticed
    if overflowed:
        line |= {"overflowed": run.scale.now}
        _say(
            run, f"step {step + 1} overflows float16 and is left out; losses count less from now on"
        )
    elif outcome.fault:
        shares = run.ranks.exchange([sample.sample_id for sample in samples])
        ids = [each for share in shares for each in share]
        line |= {"skipped": outcome.fault, "samples": list(dict.fromkeys(ids))}
        _say(run, f"step {step + 1} is skipped: {_fault(line)}; the record names its samples")
    return _Learned(line, notes)


def _say(run: _Run, text: str) -> None:
    if run.ranks.is_first:
        say(text)


def _rewritten(
    run: _Run, samples: Sequence[Sample], step: int
) -> tuple[Sequence[Sample], dict[str, float]]:
    if run.rewrite is None or not isinstance(run.model, VLM):
        return samples, {}
    if not samples:
        return [], run.ranks.mean({}, 0)
    made, noticed = run.rewrite(run.model, samples, run.order.step_generator(step))
    return made, run.ranks.mean(noticed, len(samples))


def _validate(
    run: _Run, progress: Progress, stop: StopRequest, showing: Showing | None
) -> dict[str, float]:
    """Scores of the model, which the first rank makes for all."""
    mine = _scores(run, progress, stop, showing) if run.ranks.is_first else {}
    scores: dict[str, float] = run.ranks.exchange(mine)[0]
    loss = scores["val_loss"]
    best = math.inf if progress.best_score is None else progress.best_score
    if loss < best:
        progress.best_score, progress.best_step = loss, progress.step
    return scores


def _scores(
    run: _Run, progress: Progress, stop: StopRequest, showing: Showing | None
) -> dict[str, float]:
    model, answers = run.model, None
    model.eval()
    torch.manual_seed(run.order.validation_seed(progress.step))
    # Weights and average change places outside of what may be broken off.
    with (
        run.average.in_place(),
        stop.breakable(),
        torch.inference_mode(),
        _precision(model, run.config),
    ):
        scores = run.validate(model)
        if showing is not None and isinstance(model, VLM):
            answers = showing.ask(model)
    if showing is not None and answers is not None:
        showing.write(progress.step, answers)
    return scores


def _order(
    processor: Processor | PairProcessor,
    source: SampleSource,
    config: TrainConfig,
    *,
    is_rewritten: bool,
) -> Order:
    """Which samples make up which step; of a packed run those of all lengths."""
    samples_per_step, lengths = config.batch_size * config.accumulate, source.lengths()
    if not config.pack_tokens:
        return Order(len(source), samples_per_step, config.seed, lengths)
    known = None if is_rewritten else lengths
    longest = processor.config.max_tokens if known is None else max(known)
    if longest > config.pack_tokens:
        raise ConfigError(
            f"pack_tokens is {config.pack_tokens}, but a sample "
            f"{'may have' if known is None else 'has'} {longest} tokens; make rows at least as "
            "long as that"
        )
    return Order(len(source), samples_per_step, config.seed)


def _num_together(model: Trained, config: TrainConfig, ranks: Ranks) -> int:
    """Samples that no two ranks may share out: those that are compared with each other."""
    if not isinstance(model, Matcher):
        return 1
    if config.accumulate < ranks.num_ranks:
        raise ConfigError(
            f"the {config.batch_size} pairs of a forward pass are compared with each other and "
            f"stay in one process; make accumulate at least {ranks.num_ranks}, as many as there "
            f"are processes, instead of {config.accumulate}"
        )
    return config.batch_size


def _adapters(model: Trained, config: TrainConfig) -> Adapters | None:
    """Hang adapters on the model, if it is to have some."""
    if not config.lora.panels:
        return None
    rates = config.learning_rates
    moving = [panel for panel in panels_of(model) if getattr(rates, panel)]
    whole = [panel for panel in moving if panel not in config.lora.panels]
    return attach(model, config.lora, config.seed, whole)


def _frozen_copy(model: Trained) -> VLM | None:
    copied = copy.deepcopy(model).requires_grad_(False).eval()
    return copied if isinstance(copied, VLM) else None


def _showing(
    run: _Run, processor: Processor | PairProcessor, folder: Path, shown: Sequence[Sample]
) -> Showing | None:
    """What is asked at validations, if anything is; samples of the source always the same."""
    count = min(run.config.num_shown, MOST_SHOWN)
    if not count or not run.ranks.is_first or not isinstance(processor, Processor):
        return None
    first = range(min(count, len(run.source)))
    samples = list(shown[:count]) or [
        run.source.sample(index, torch.Generator().manual_seed(index)) for index in first
    ]
    return Showing(processor, samples, folder)


def _view(run: _Run, done: int) -> LiveView:
    return LiveView(
        run.num_steps,
        done,
        run.config.objectives.learned,
        dtype=getattr(torch, run.config.precision),
        device=run.model.device,
        is_shown=run.ranks.is_first,
    )


def _writers(run: _Run, done: int, folder: Path) -> AbstractContextManager[Writers]:
    names = run.config.writers if run.ranks.is_first else ()
    return open_writers(names, folder, done, to_dict(run.config) if names else {})


def _due(step: int, every: int, num_steps: int) -> bool:
    return step % every == 0 or step == num_steps


def _summary(progress: Progress, order: Order, scores: dict[str, float]) -> str:
    epoch = progress.step / order.steps_per_epoch
    shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
    return f"epoch {epoch:.1f}  step {progress.step}  {shown}"


def _interrupted(keep: Keeper, stop: StopRequest, num_steps: int) -> Interrupted:
    """Write a checkpoint unless there is one of just now, and say how to go on from it."""
    saved = keep.save_unless_saved()
    return Interrupted(
        f"stopped after step {keep.progress.step} of {num_steps} with "
        f"{'a checkpoint' if saved else 'none but earlier checkpoints'} in "
        f"{keep.checkpoints.folder}; add --resume to go on",
        stop.exit_code,
    )


def _why_hopeless(line: Line, config: TrainConfig) -> str:
    in_a_row = f" ({config.max_bad_steps} steps in a row)" if config.max_bad_steps > 1 else ""
    return (
        f"{_fault(line)}{in_a_row}; lower the learning rate or clip_norm, then go on with --resume"
    )


def _fault(line: Line) -> str:
    """Which number of a skipped step is none."""
    value = line["loss"] if line["skipped"] == "loss" else line["gradient_norm"]
    return f"the {line['skipped']} of step {line['step']} is {math.nan if value is None else value}"


def _precision(model: Trained, config: TrainConfig) -> torch.autocast:
    """Matrix products in half precision where that is asked for.

    Entered anew for each step: it keeps copies of the weights, which a step changes.
    """
    is_mixed = config.precision != "float32"
    half = torch.float16 if config.precision == "float16" else torch.bfloat16
    return torch.autocast(model.device.type, dtype=half, enabled=is_mixed)
