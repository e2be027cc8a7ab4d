"""From prompts to answers."""

from triptych.generate.decoding import Completion, generate, stream
from triptych.generate.options import GenerationOptions

__all__ = ["Completion", "GenerationOptions", "generate", "stream"]
