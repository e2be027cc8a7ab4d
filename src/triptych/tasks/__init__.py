"""What a person asks a model for, one file a task."""

from triptych.tasks.assistant import Assistant
from triptych.tasks.converse import Conversation
from triptych.tasks.embedded import DEFAULT_MODEL, embedded_models
from triptych.tasks.finding import find_model
from triptych.tasks.loading import load
from triptych.tasks.read import Reading
from triptych.tasks.responding import Answer
from triptych.tasks.score import Comparison, Scorer, load_scorer

__all__ = [
    "DEFAULT_MODEL",
    "Answer",
    "Assistant",
    "Comparison",
    "Conversation",
    "Reading",
    "Scorer",
    "embedded_models",
    "find_model",
    "load",
    "load_scorer",
]
