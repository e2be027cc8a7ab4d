"""One run a folder: a lock that the operating system lifts when its process dies, however.

It is a record lock (`fcntl.lockf`): worker processes do not inherit it, so a folder is free again
the moment its run is killed, whatever becomes of them.
"""

import fcntl
import os
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from triptych.errors import TrainingError

LOCK = "run.lock"
"""File of a run's folder that is locked; it stays there, and says who locked it last."""

_held: dict[tuple[Path, int], int] = {}
"""By folder and process, the thread that locked it. Closing a second descriptor of the file would
lift the lock, so a run inside a run on the same folder does not open it again. A forked process
inherits this, but no lock."""


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Keep other runs out of this folder; in the same thread it may be locked again.

    Raises:
        TrainingError: another run is at work in it.
    """
    folder = folder.resolve()
    key, me = (folder, os.getpid()), threading.get_ident()
    if key in _held:
        if _held[key] != me:
            raise _in_use(folder, "another thread of this process")
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            file.seek(0)
            raise _in_use(folder, file.read().strip() or "another process") from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        _held[key] = me
        try:
            yield
        finally:
            del _held[key]


def _in_use(folder: Path, owner: str) -> TrainingError:
    return TrainingError(
        f"{folder} is in use by another run ({owner}); wait for it, stop it, or name another "
        "folder with --out"
    )
