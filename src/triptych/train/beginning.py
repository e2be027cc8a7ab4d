"""Where a run starts from: fresh weights, or its last checkpoint; all ranks alike."""

from triptych.errors import CheckpointError
from triptych.train.checkpoints import Checkpoints, Progress, refuse_to_replace
from triptych.train.run import Run


def begin(run: Run, checkpoints: Checkpoints, *, resume: bool) -> Progress:
    """Where all ranks start from, with every number alike.

    Raises:
        UsageError: the folder holds another run, and it is not to be resumed.
        CheckpointError: there is nothing to resume from, or the ranks see different folders.
    """
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
    if run.shards is None:
        ranks.share(run.model.state_dict().values())
    run.scale.load(progress)
    return progress
