"""Which samples share a row, so that little of it is padding.

    lengths   7 5 4 3 3 2, rows of 8      first fit decreasing: the longest first, each
    rows      [7] [5 3] [4 3] [2]         into the first row that has room

A plan is made of lengths alone and is the same whenever it is made, so nothing of it has to be
kept to resume a run.

First fit decreasing needs at most 11/9 of the fewest possible rows and a little: Johnson 1973; for
training sequences: https://arxiv.org/abs/2404.10830
"""

from collections.abc import Sequence

from triptych.errors import TokenError

WINDOW = 1024
"""Samples that are planned together. More would hardly save padding; rows are near their samples'
place in the shuffled order."""


def plan_rows(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Rows of at most `max_tokens`, each the indexes of its samples in ascending order.

    Rows stand in the order of their first sample.

    Raises:
        TokenError: a sample alone is longer than a row.
    """
    rows: list[list[int]] = []
    rooms: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        if length > max_tokens:
            raise TokenError(
                f"a sample of {length} tokens does not fit into a row of {max_tokens}; make rows "
                "as long as the longest sample"
            )
        fits = next((row for row, room in enumerate(rooms) if length <= room), None)
        if fits is None:
            rows.append([index])
            rooms.append(max_tokens - length)
        else:
            rows[fits].append(index)
            rooms[fits] -= length
    return sorted(sorted(row) for row in rows)


def plan_in_windows(
    lengths: Sequence[int], order: Sequence[int], max_tokens: int, window: int = WINDOW
) -> list[list[int]]:
    """Rows of a whole epoch, each the indexes of its samples, in the order given.

    `lengths` are those of all samples, `order` says which come when. Every window of it is planned
    by itself; the row with most room is given back to the next, so that only the last may be short.

    Raises:
        TokenError: a sample alone is longer than a row.
    """
    planned: list[list[int]] = []
    waiting: list[int] = []
    for start in range(0, len(order), window):
        waiting = waiting + list(order[start : start + window])
        own = [lengths[index] for index in waiting]
        rows = plan_rows(own, max_tokens)
        emptiest = min(
            reversed(range(len(rows))), key=lambda row: sum(own[place] for place in rows[row])
        )
        left = rows.pop(emptiest)
        planned += [[waiting[place] for place in row] for row in rows]
        waiting = [waiting[place] for place in left]
    return [*planned, waiting] if waiting else planned


def padding_share(lengths: Sequence[int], rows: Sequence[Sequence[int]], max_tokens: int) -> float:
    """How much of full rows is padding, 0 to 1."""
    used = sum(lengths[index] for row in rows for index in row)
    return 1 - used / (len(rows) * max_tokens)
