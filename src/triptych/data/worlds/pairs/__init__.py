"""Two to four small pictures: what differs, which one has it, and names learnt from examples."""

from triptych.data.worlds.pairs.world import Pairs

__all__ = ["Pairs"]
