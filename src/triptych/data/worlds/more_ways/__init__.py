"""More ways to ask, for training: by world and kind, each line standing for many wordings."""

from triptych.data.worlds.more_ways.scenes import SCENES
from triptych.data.worlds.more_ways.screens import SCREENS
from triptych.data.worlds.more_ways.several import CLIPS, PAIRS
from triptych.data.worlds.more_ways.written import CHARTS, DOCUMENTS, SIGNS

__all__ = ["CHARTS", "CLIPS", "DOCUMENTS", "PAIRS", "SCENES", "SCREENS", "SIGNS"]
