"""Reference, ours, export, reference: what must come back of a published folder."""

from pathlib import Path
from typing import Any

import torch
from tests.parity.measuring import Given, greedy_of

from triptych.checkpoint.layouts import export_model, import_model
from triptych.checkpoint.model_folder import LoadedModel

_VERSIONS = ("transformers_version", "_name_or_path", "dtype", "torch_dtype")


def exported(folder: Path) -> tuple[LoadedModel, Path]:
    """Ours, as read from the folder `theirs` inside of `folder`, and where it was written again."""
    ours = import_model(folder / "theirs")
    export_model(folder / "ours", ours, shard_bytes=150_000)
    return ours, folder / "ours"


def check_round_trip(
    before: Any, after: Any, given: Given, *, num_tensors: int, unread: tuple[str, ...] = ()
) -> None:
    """All tensors are equal bit for bit, the settings say the same, and so do the models.

    `unread` names settings that have no effect in a model of this kind.
    """
    first, second = before.state_dict(), after.state_dict()
    assert set(first) == set(second) and len(first) >= num_tensors
    unequal = [name for name, tensor in first.items() if not torch.equal(tensor, second[name])]
    assert not unequal
    found = differences(before.config.to_dict(), after.config.to_dict())
    assert {
        where: each for where, each in found.items() if not where.endswith(unread or ("!",))
    } == {}
    assert greedy_of(before, given) == greedy_of(after, given)


def differences(before: Any, after: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    """Settings of `before` that differ in `after`, by where they stand.

    What our folder says besides is in the files on the Hub, and nothing there reads it.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted(set(before) - set(_VERSIONS)):
            found |= differences(before[key], after.get(key), f"{where}.{key}")
        return found
    same = before == after or (isinstance(before, list | tuple) and list(before) == list(after))
    return {} if same else {where: (before, after)}
