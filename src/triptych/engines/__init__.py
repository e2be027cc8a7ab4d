"""Where models run: in this package, in transformers, or behind a server."""

from triptych.engines.engine import ENGINES, Alternative, Engine, Reply, Streamed
from triptych.engines.native import NativeEngine

__all__ = ["ENGINES", "Alternative", "Engine", "NativeEngine", "Reply", "Streamed"]
