"""Writers of other programs beside the record: TensorBoard and Weights & Biases.

Off unless `TrainConfig.writers` names them, and imported only then. What they get is the record's
numbers. Weights & Biases writes into the run's folder alone; `wandb sync` sends it, when wanted.
"""

import math
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from triptych.checkpoint.files import read_json, write_json
from triptych.errors import MissingExtraError
from triptych.train.record import Line, say

WriterName: TypeAlias = Literal["tensorboard", "wandb"]


@runtime_checkable
class Writer(Protocol):
    """Takes the numbers of a step."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoardWriter:
    """Event files in the folder `tensorboard` of a run."""

    def __init__(self, folder: Path, done: int) -> None:
        """Steps after `done` will be written again, so what was written of them is hidden.

        Raises:
            MissingExtraError: tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        kind: Any = SummaryWriter
        self._inner = kind(str(folder / "tensorboard"), purge_step=done + 1)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """One point of each number's curve."""
        for name, number in numbers.items():
            self._inner.add_scalar(name, number, step)

    def close(self) -> None:
        """Have it all on the disk."""
        self._inner.close()


class WandbWriter:
    """A run of Weights & Biases, offline, in the folder of a run."""

    def __init__(self, folder: Path, done: int, settings: Mapping[str, object]) -> None:
        """Goes on with the run that the folder already has, unless it begins anew.

        Raises:
            MissingExtraError: wandb is not installed.
        """
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise _missing("wandb") from error
        file = folder / "wandb.json"
        if not (done and file.is_file()):
            write_json(file, {"id": uuid.uuid4().hex[:16]})
        known: Any = wandb
        self._inner = known.init(
            dir=str(folder),
            mode="offline",
            id=read_json(file)["id"],
            resume="allow",
            name=folder.name,
            config=dict(settings),
        )

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """All numbers of a step at once."""
        self._inner.log(dict(numbers), step=step)

    def close(self) -> None:
        """End the run."""
        self._inner.finish()


class Writers:
    """All writers of a run; one that the disk refuses is said once and left out from then on."""

    def __init__(self, writers: Mapping[str, Writer]) -> None:
        self._writers = dict(writers)

    def write(self, line: Line) -> None:
        """What of a line of the record is a finite number, under the record's names."""
        numbers = {
            name: float(value)
            for name, value in line.items()
            if name != "step" and isinstance(value, int | float) and math.isfinite(value)
        }
        for name, writer in list(self._writers.items()):
            try:
                writer.write(line["step"], numbers)
            except OSError as error:
                say(f"{name} gets nothing more of this run: {error}")
                del self._writers[name]


@contextmanager
def open_writers(
    names: tuple[WriterName, ...], folder: Path, done: int, settings: Mapping[str, object]
) -> Generator[Writers]:
    """The writers of a run that has done so many steps; afterwards they are closed.

    Raises:
        MissingExtraError: one is not installed.
    """
    opened: dict[str, Writer] = {}
    try:
        for name in names:
            if name == "tensorboard":
                opened[name] = TensorBoardWriter(folder, done)
            else:
                opened[name] = WandbWriter(folder, done, settings)
        yield Writers(opened)
    finally:
        for writer in opened.values():
            writer.close()


def _missing(name: WriterName) -> MissingExtraError:
    return MissingExtraError(name, name, f"train.writers=[{name}]")
