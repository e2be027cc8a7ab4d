"""Models that come with the package, by name."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from triptych.checkpoint.model_folder import CONFIG
from triptych.media import Picture, looks_photographed

DEFAULT_MODEL = "mini"
"""What answers where no model is named."""


def embedded_models() -> dict[str, Path]:
    """The folder of every embedded model."""
    root = Path(str(resources.files("triptych"))) / "embedded"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CONFIG}"))}


def note_on(name: str, pictures: Sequence[Picture]) -> str:
    """What to know about an embedded model's answer about these pictures; mostly nothing.

    `name` is empty for a model that is not embedded.
    """
    if not name or not any(map(looks_photographed, pictures)):
        return ""
    return (
        f"{name} has seen drawings only and this looks like a photograph, so do not rely on the "
        "answer; name another model with --model FOLDER or triptych.load(FOLDER)"
    )
