"""Where models run: in this package, in transformers, or behind a server."""

from triptych.engines.engine import ENGINES, Engine, Reply, Streamed
from triptych.engines.native import NativeEngine

__all__ = ["ENGINES", "Engine", "NativeEngine", "Reply", "Streamed"]
