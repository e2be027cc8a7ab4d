"""What every recipe is: settings with defaults, and a function that runs them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RunRecipe = Callable[[Any, Path | None, Path, bool], dict[str, object]]
"""settings, data folder, run folder, resume -> scores. Typed `Any` because each recipe's settings
are a class of its own; `Recipe.default` is always of the class that `run` takes."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One named run."""

    summary: str
    """One line for the list of recipes."""
    default: object
    """Settings as published; a frozen config class of the recipe's own file."""
    run: RunRecipe
