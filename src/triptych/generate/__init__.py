"""From prompts to answers."""

from triptych.generate.completion import Completion
from triptych.generate.decoding import generate, stream
from triptych.generate.engine import EngineConfig, GenerationEngine
from triptych.generate.options import GenerationOptions
from triptych.generate.structure import Choice, JsonSchema, Regex, Structure

__all__ = [
    "Choice",
    "Completion",
    "EngineConfig",
    "GenerationEngine",
    "GenerationOptions",
    "JsonSchema",
    "Regex",
    "Structure",
    "generate",
    "stream",
]
