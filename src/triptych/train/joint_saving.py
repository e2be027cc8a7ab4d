"""A folder that several ranks fill: whole for all of them, or absent for all.

first rank    new folder, small files |        | own shards |        | checksums, rename |
others                                | agreed | own shards | agreed |                   | agreed
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from triptych.checkpoint.files import PARTIAL, replacing_folder
from triptych.train.contents import Named, write_shards
from triptych.train.manifest import seal
from triptych.train.ranks import Ranks


def save_together(
    ranks: Ranks, folder: Path, step: int, tensors: Named, fill: Callable[[Path], None]
) -> None:
    """Write the shards of all ranks after a step, and what `fill` adds; all ranks call this.

    Raises:
        OSError: the disk refuses it to one of them, or they do not stand at the same step; what was
            there before is as it was.
        RankLostError, OthersStopped: as `Ranks.exchange`; likewise.
    """
    if len(steps := set(ranks.exchange(step))) > 1:
        raise OSError(f"the processes stand at different steps, {min(steps)} to {max(steps)}")
    with ExitStack() as being_filled:
        with agreeing(ranks):
            if ranks.is_first:
                fill(being_filled.enter_context(replacing_folder(folder)))
        partial = folder.with_name(folder.name + PARTIAL)
        with agreeing(ranks), ranks.in_contact():
            write_shards(partial, tensors, ranks.group)
        with agreeing(ranks):
            if ranks.is_first:
                seal(partial)
                being_filled.close()


@contextmanager
def agreeing(ranks: Ranks) -> Generator[None]:
    """What the disk refuses to one rank in this block, it refuses to all.

    Raises:
        OSError: that of the first that has one.
    """
    refused = ""
    try:
        yield
    except OSError as error:
        refused = str(error)
    for said in ranks.exchange(refused):
        if said:
            raise OSError(said)
