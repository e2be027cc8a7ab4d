"""What can go wrong, as a tree.

    TriptychError                 everything this package raises on purpose
    |-- UsageError                the request itself is wrong; the command line exits with 2
    |   |-- ConfigError           an option, a key or a value of a configuration
    |   `-- UnknownNameError      a model, recipe, task or file format that does not exist
    `-- FailureError              the request is fine but cannot be carried out; exits with 1
        |-- ShapeError            tensors or grids that do not fit each other
        |-- MediaError            a picture, clip or page that cannot be opened or is refused
        |-- DataError             a data set line or label file that cannot be read
        |-- TokenError            text, templates and tokens that do not fit
        |-- CheckpointError       missing, torn or mismatched weights and folders
        |-- TrainingError         a run that cannot go on
        |-- CapacityError         more than memory can hold
        |-- EngineError           another engine or a server that does not answer, or refuses
        `-- MissingExtraError     an optional dependency that is not installed

Every message says what happened, to which value, and what to do about it.
"""

import difflib
from collections.abc import Iterable


class TriptychError(Exception):
    """Base of everything raised on purpose."""

    exit_code = 1


class UsageError(TriptychError):
    """The request itself is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """An option, a key or a value of a configuration is wrong."""


class UnknownNameError(UsageError):
    """A name that does not exist; the message lists the nearest matches."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {kind} named {name!r}; {nearest(name, known)}")


class FailureError(TriptychError):
    """The request is fine but cannot be carried out."""


class ShapeError(FailureError):
    """Tensors or grids do not fit each other."""


class MediaError(FailureError):
    """A picture, clip or page cannot be opened or is refused."""


class DataError(FailureError):
    """A data set line or label file cannot be read."""


class TokenError(FailureError):
    """Text, templates and tokens do not fit."""


class CheckpointError(FailureError):
    """Weights or a model folder are missing, torn or mismatched."""


class TrainingError(FailureError):
    """A run cannot go on."""


class CapacityError(FailureError):
    """A request needs more than memory can hold."""


class EngineError(FailureError):
    """Another engine or a server does not answer, refuses, or sends what makes no sense."""


class MissingExtraError(FailureError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed; "
            f"run: pip install 'triptych[{extra}]'"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names resemble `name`, or which there are when none does."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known: {', '.join(known)}"
