"""What a person asks a model for."""

from triptych.tasks.assistant import Answer, Assistant, load

__all__ = ["Answer", "Assistant", "load"]
