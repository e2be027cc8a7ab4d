"""Application windows: what to press, what is set, what to do next."""

from triptych.data.worlds.screens.world import Screens

__all__ = ["Screens"]
