"""Adapters: training a model by small changes beside weights that stay as they are.

Files of adapters are read and written in `triptych.checkpoint.adapters` and `adapter_folder`.
"""

from triptych.adapters.attaching import (
    Adapters,
    adapted_layers,
    attach,
    freeze_but_changes,
    merge,
    round_base,
)
from triptych.adapters.config import ALL, LoraConfig
from triptych.adapters.fingerprint import fingerprint

__all__ = [
    "ALL",
    "Adapters",
    "LoraConfig",
    "adapted_layers",
    "attach",
    "fingerprint",
    "freeze_but_changes",
    "merge",
    "round_base",
]
