"""Pictures that look alike, found without comparing each with each.

Two hashes that differ in at most 24 bits are equal in at least one of 25 stretches, whichever these
are; so only pictures that share a stretch are compared, and none is missed.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from triptych.media.looks import MAX_BITS, NUM_BITS, Look

_NUM_STRETCHES = MAX_BITS + 1


def find_alike(looks: Sequence[Look]) -> list[tuple[int, int]]:
    """For every picture that looks like an earlier one: the first such, and itself."""
    found: list[tuple[int, int]] = []
    exact: dict[Look, int] = {}
    known: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        if look in exact:  # many are, where pages are empty
            found.append((exact[look], index))
            continue
        exact[look] = index
        keys = list(_stretches(look.bits))
        candidates = {each for key in keys for each in known[key]}
        alike = [each for each in candidates if looks[each].is_like(look)]
        if alike:
            found.append((min(alike), index))
        for key in keys:
            known[key].append(index)
    return found


def _stretches(bits: int) -> Iterator[tuple[int, int]]:
    for number in range(_NUM_STRETCHES):
        start = number * NUM_BITS // _NUM_STRETCHES
        stop = (number + 1) * NUM_BITS // _NUM_STRETCHES
        yield number, (bits >> start) & ((1 << (stop - start)) - 1)
