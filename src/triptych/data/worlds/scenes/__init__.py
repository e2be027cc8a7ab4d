"""Scenes of coloured objects: what is there, how many, what like, and where."""

from triptych.data.worlds.scenes.world import Scenes

__all__ = ["Scenes"]
