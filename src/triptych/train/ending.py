"""How a run ends before its time: with a checkpoint, and a sentence that says how to go on."""

from collections.abc import Generator
from contextlib import contextmanager

from triptych.errors import TrainingError
from triptych.train.keeping import Keeper
from triptych.train.ranks import RankLostError
from triptych.train.record import Line
from triptych.train.run import Run
from triptych.train.signals import BrokenOff
from triptych.train.training_step import fault_of
from triptych.train.workers import WorkerLostError


class Interrupted(TrainingError):
    """A run was asked to stop and has written a checkpoint."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def saved_if_broken_off(run: Run, keep: Keeper) -> Generator[None]:
    """What breaks off the block leaves a checkpoint of the last step that was done.

    Raises:
        Interrupted: the run was asked to stop.
        WorkerLostError, RankLostError: who made samples, or shared the step, is gone.
    """
    try:
        yield
    except BrokenOff:
        if run.shards is not None:  # all of them write it
            run.ranks.tell_end()
        raise interrupted(run, keep) from None
    except WorkerLostError as error:
        if run.shards is None:
            keep.give_up()
        raise WorkerLostError(f"{error}; then go on with --resume") from error
    except RankLostError as error:
        raise RankLostError(f"{error}; see why, then {_how_to_go_on(run, keep)}") from error


def _how_to_go_on(run: Run, keep: Keeper) -> str:
    """After a rank was lost: from now, or from before where it held a share of the model."""
    if run.shards is None:
        keep.save_unless_saved()
        return f"go on with --resume from step {keep.progress.step}"
    if keep.saved_step < 0:
        return "start again, for there is no checkpoint yet"
    return f"go on with --resume from step {keep.saved_step}"


def interrupted(run: Run, keep: Keeper) -> Interrupted:
    """Write a checkpoint unless there is one of just now, and say how to go on from it."""
    saved = keep.save_unless_saved()
    return Interrupted(
        f"stopped after step {keep.progress.step} of {run.num_steps} with "
        f"{'a checkpoint' if saved else 'none but earlier checkpoints'} in "
        f"{keep.checkpoints.folder}; add --resume to go on",
        run.ranks.stop.exit_code,
    )


def stop_if_hopeless(run: Run, keep: Keeper, line: Line) -> None:
    """End a run whose last steps, as many as are tolerated, were skipped.

    Raises:
        TrainingError: they were.
    """
    most = run.config.max_bad_steps
    if keep.progress.bad_steps < most:
        return
    keep.give_up()
    in_a_row = f" ({most} steps in a row)" if most > 1 else ""
    raise TrainingError(
        f"{fault_of(line)}{in_a_row}; lower the learning rate or clip_norm, then go on with "
        "--resume"
    )
