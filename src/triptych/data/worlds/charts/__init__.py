"""Charts: bars, groups of bars, lines and pies whose every number is known."""

from triptych.data.worlds.charts.world import Charts

__all__ = ["Charts"]
