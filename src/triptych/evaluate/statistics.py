"""Scores are estimates: intervals around means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from triptych.errors import DataError

Z_95 = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1%} [{self.low:.1%}, {self.high:.1%}]"


def mean_interval(scores: Sequence[float]) -> Interval:
    """The mean of scores in 0..1 with Wilson's interval, widened as far as the scores vary.

    For zeros and ones it is Wilson's (1927) exactly. For partial scores the variance of the sample
    takes the place of that of a coin, which is never smaller.

    Raises:
        DataError: there is no score.
    """
    count = len(scores)
    if count == 0:
        raise DataError("an interval needs at least one score; evaluate at least one item")
    mean = sum(scores) / count
    coin = mean * (1 - mean)
    variance = sum((score - mean) ** 2 for score in scores) / count
    # As many coins as would be as certain as these scores are.
    effective = count * coin / variance if 0 < variance < coin else float(count)
    shrink = 1 + Z_95**2 / effective
    centre = (mean + Z_95**2 / (2 * effective)) / shrink
    reach = Z_95 / shrink * math.sqrt(coin / effective + Z_95**2 / (4 * effective**2))
    # The mean lies within, which rounding would deny where all scores are 0 or all are 1.
    low, high = max(0.0, centre - reach), min(1.0, centre + reach)
    return Interval(mean, min(low, mean), max(high, mean))
