"""Build, train, run and X-ray vision-language models from three panels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triptych.tasks import Answer, Assistant, Scorer, load, load_scorer

__all__ = ["Answer", "Assistant", "Scorer", "load", "load_scorer"]


def __getattr__(name: str) -> object:
    """Import on first use, so that the command line starts without torch."""
    if name in __all__:
        from triptych import tasks

        return getattr(tasks, name)
    raise AttributeError(f"module 'triptych' has no attribute {name!r}")
