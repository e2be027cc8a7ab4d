"""Which folder a model's name stands for."""

from pathlib import Path

from triptych.checkpoint.adapter_folder import is_adapter
from triptych.checkpoint.files import recover_folder
from triptych.checkpoint.hub import fetch, read_name
from triptych.checkpoint.model_folder import CONFIG
from triptych.errors import UnknownNameError, UsageError
from triptych.tasks.embedded import embedded_models

MODEL = "model"
"""Folder of the trained model inside the folder of a run."""


def find_model(name: str | Path, *, offline: bool = False, weights: bool = True) -> Path:
    """The model folder that a name stands for.

    The name of an embedded model, the folder of a model or of an adapter, or of a run with `model`
    in it, or a name on the Hub like `owner/name` or `owner/name@revision`. A folder that is called
    like an embedded model is given as `./mini`; a folder wins over the Hub.

    Args:
        name: Of the model.
        offline: Read the Hub's local cache only.
        weights: Whether the weights of a model on the Hub are needed, or its settings alone.

    Raises:
        UnknownNameError: there is none; lists the embedded models, runs and folders there are.
        UsageError: the folder holds no model; or see `triptych.checkpoint.hub.fetch`.
        CheckpointError: see `triptych.checkpoint.hub.fetch`.
    """
    embedded = embedded_models()
    if str(name) in embedded:
        return embedded[str(name)]
    folder = Path(name)
    for candidate in (folder, folder / MODEL):
        recover_folder(candidate)
        if (candidate / CONFIG).is_file() or is_adapter(candidate):
            return candidate
    if str(name).strip() and folder.is_dir():
        raise UsageError(
            f"{folder} holds no trained model (no {CONFIG}, no {MODEL}/{CONFIG}); "
            "has its training finished?"
        )
    hub_name = read_name(name) if isinstance(name, str) else None
    if hub_name is not None:
        return fetch(hub_name, offline=offline, weights=weights)
    known = [*embedded, *_folders()]
    raise UnknownNameError(
        "model", str(name), known or ["(none trained yet: try `triptych train`)"]
    )


def _folders() -> list[str]:
    """Runs, and folders beside them that hold a model."""
    here = Path()
    runs = [path.parent for path in here.glob(f"runs/*/{MODEL}")]
    models = [path.parent for path in here.glob(f"*/{CONFIG}")]
    models += [path.parent.parent for path in here.glob(f"*/{MODEL}/{CONFIG}")]
    return [str(path) for path in (*runs, *models)]
