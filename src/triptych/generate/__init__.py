"""From prompts to answers."""

from triptych.generate.completion import Completion
from triptych.generate.decoding import generate, stream
from triptych.generate.engine import EngineConfig, GenerationEngine
from triptych.generate.options import GenerationOptions

__all__ = [
    "Completion",
    "EngineConfig",
    "GenerationEngine",
    "GenerationOptions",
    "generate",
    "stream",
]
