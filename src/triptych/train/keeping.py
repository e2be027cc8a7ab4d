"""What a run leaves on the disk while it goes on, in the order that makes going on exact.

Record and ledger reach the disk before the checkpoint that counts on their lines. What the disk
refuses is said, and ends nothing: the checkpoints that were there before are still there.
"""

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import torch

from triptych.data.ledger import LeftOut
from triptych.train.average import WeightAverage
from triptych.train.checkpoints import Checkpoints, Progress
from triptych.train.joint_saving import agreeing
from triptych.train.record import Line, Record, say
from triptych.train.source import note_line

RECORD, LEDGER = "record.jsonl", "ledger.jsonl"


class Keeper:
    """Record, ledger and checkpoints of one run; both files are cut back to where it stands."""

    def __init__(
        self,
        folder: Path,
        checkpoints: Checkpoints,
        average: WeightAverage,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        *,
        is_writing: bool = True,
    ) -> None:
        """Of several processes of a run only one `is_writing`; the others leave the disk alone, but
        for their shards of a checkpoint."""
        self.is_writing = is_writing
        self.checkpoints = checkpoints
        self.average = average
        self.optimizer = optimizer
        self.progress = progress
        self.saved_step = progress.step if progress.step in checkpoints.steps() else -1
        """That of the last checkpoint; -1 if there is none."""
        if not is_writing:
            return
        # The line of a step whose validation is owed will be written (again).
        num_lines = progress.step - (progress.unvalidated is not None)
        self.record = Record(folder / RECORD, resume_step=num_lines)
        self.ledger = Record(folder / LEDGER, resume_step=progress.step)

    def note(self, notes: Iterable[LeftOut]) -> None:
        """List what became of the samples of the step that was just done."""
        if self.is_writing:
            for note in notes:
                self.ledger.write(note_line(self.progress.step, note))

    def write(self, line: Line) -> None:
        """Add a line to the record."""
        if self.is_writing:
            self.record.write(line)

    def save(self) -> bool:
        """Write a checkpoint, together where ranks share the model; whether the disk took it."""
        shared_by = self.checkpoints.shared_by
        if not self.is_writing and shared_by is None:
            return True
        try:
            with nullcontext() if shared_by is None else agreeing(shared_by):
                self._sync()
            self.checkpoints.save(self.average, self.optimizer, self.progress)
        except OSError as error:
            if self.is_writing:
                say(f"no checkpoint of step {self.progress.step}: {error}; {self._what_is_left()}")
            return False
        self.saved_step = self.progress.step
        return True

    def save_unless_saved(self) -> bool:
        """Write a checkpoint if the last one is not of this very state; whether there is one."""
        is_saved = self.saved_step == self.progress.step and self.progress.unvalidated is None
        return is_saved or self.save()

    def give_up(self) -> None:
        """Write a last checkpoint that a resumed run can go on from, if there is any progress."""
        progress = self.progress
        has_learned = progress.step > progress.bad_steps
        progress.bad_steps = 0
        progress.unvalidated = None
        if has_learned:
            self.save()

    def _sync(self) -> None:
        if self.is_writing:
            self.record.sync()
            self.ledger.sync()

    def _what_is_left(self) -> str:
        steps = self.checkpoints.steps()
        return f"the last one is of step {steps[-1]}" if steps else "there is none yet"
