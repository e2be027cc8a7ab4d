"""Signs: boards with words, codes and numbers to be read, among objects of no concern."""

from triptych.data.worlds.signs.world import Signs

__all__ = ["Signs"]
