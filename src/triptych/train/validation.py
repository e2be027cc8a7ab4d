"""Validation in the course of a run: scores of the averaged weights, and answers to be shown."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from triptych.fusion.vlm import VLM
from triptych.pairs import PairProcessor
from triptych.processor import Processor, Sample
from triptych.train.checkpoints import Progress
from triptych.train.run import Run
from triptych.train.showing import MOST_SHOWN, Showing


def run_validation(run: Run, progress: Progress, showing: Showing | None) -> dict[str, float]:
    """Scores of the model, which the first rank makes for all; the best are kept in mind.

    Raises:
        BrokenOff: the run was asked to stop.
        RankLostError: the first rank is gone.
    """
    # The average takes the places of the weights outside of what may be broken off.
    with run.average.in_place(), run.whole():
        mine = _scores(run, progress, showing) if run.ranks.is_first else {}
        scores: dict[str, float] = run.ranks.exchange(mine)[0]
    loss = scores["val_loss"]
    best = math.inf if progress.best_score is None else progress.best_score
    if loss < best:
        progress.best_score, progress.best_step = loss, progress.step
    return scores


def showing_of(
    run: Run, processor: Processor | PairProcessor, folder: Path, shown: Sequence[Sample]
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


def summary(run: Run, progress: Progress, scores: dict[str, float]) -> str:
    """Scores as the person watching reads them."""
    epoch = progress.step / run.order.steps_per_epoch
    shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
    return f"epoch {epoch:.1f}  step {progress.step}  {shown}"


def _scores(run: Run, progress: Progress, showing: Showing | None) -> dict[str, float]:
    model, answers = run.model, None
    model.eval()
    torch.manual_seed(run.order.validation_seed(progress.step))
    with run.ranks.stop.breakable(), torch.inference_mode(), run.precision():
        scores = run.validate(model)
        if showing is not None and isinstance(model, VLM):
            answers = showing.ask(model)
    if showing is not None and answers is not None:
        showing.write(progress.step, answers)
    return scores
