"""Clips: a few objects that move, stay, appear and disappear, two frames a second."""

from triptych.data.worlds.clips.world import Clips

__all__ = ["Clips"]
