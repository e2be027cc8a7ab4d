"""Build, train, run and X-ray vision-language models from three panels."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triptych.tasks import Answer, Assistant, Scorer, load, load_scorer
    from triptych.tasks.verbs import ask, caption, chat, locate, point, read, watch

__all__ = [
    "Answer",
    "Assistant",
    "Scorer",
    "ask",
    "caption",
    "chat",
    "load",
    "load_scorer",
    "locate",
    "point",
    "read",
    "watch",
]


def __getattr__(name: str) -> object:
    """Import on first use, so that the command line starts without torch."""
    if name in __all__:
        from triptych import tasks
        from triptych.tasks import verbs

        return getattr(verbs if name in verbs.VERBS else tasks, name)
    raise AttributeError(f"module 'triptych' has no attribute {name!r}")
