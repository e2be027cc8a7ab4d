"""Writing so that a crash at any moment leaves the old file or the new one, never half of one.

A file is written under a temporary name beside its place, flushed to the disk, and renamed.
A folder is filled under a temporary name and renamed as a whole.
"""

import errno
import json
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from triptych.errors import CheckpointError

PARTIAL = ".partial"
"""Suffix of files and folders that are still being written."""

REPLACED = ".replaced"
"""Suffix of a folder that is making way for its successor."""


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file at `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Write indented JSON in one step."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        CheckpointError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; is {path.parent} a model?") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors as safetensors in one step. Shared storage is written out per name."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    seen: set[int] = set()
    for name, tensor in contiguous.items():
        if tensor.numel() and tensor.data_ptr() in seen:
            contiguous[name] = tensor.clone()
        seen.add(tensor.data_ptr())
    write_bytes(path, save(contiguous, metadata=dict(metadata or {})))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        CheckpointError: the file is missing, torn, or not safetensors.
    """
    with open_tensors(path) as file:
        names = cast(list[str], list(file.keys()))
        return {name: cast(Tensor, file.get_tensor(name)) for name in names}


@contextmanager
def open_tensors(path: Path) -> Generator[Any]:
    """A lazily read safetensors file: `get_tensor(name)`, `get_slice(name)`."""
    if path.suffix in {".bin", ".pt", ".pth", ".ckpt", ".pkl"}:
        raise CheckpointError(
            f"{path} is a pickle file, which can run code when it is read; "
            "convert it to safetensors first"
        )
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; is {path.parent} a model?")
    try:
        with cast(Any, safe_open(path, framework="pt")) as tensors:
            yield tensors
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is torn or not a safetensors file ({error}); take an earlier checkpoint"
        ) from error


@contextmanager
def replacing_folder(folder: Path) -> Generator[Path]:
    """A fresh folder to fill, which takes the place of `folder` when the block ends well.

    A crash between the two renames leaves the old folder under another name, see
    `recover_folder`.
    """
    recover_folder(folder)
    partial = folder.with_name(folder.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        sync_folder(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    replaced = folder.with_name(folder.name + REPLACED)
    shutil.rmtree(replaced, ignore_errors=True)
    if folder.exists():
        folder.rename(replaced)
    try:
        partial.rename(folder)
    except BaseException:
        recover_folder(folder)
        raise
    sync_folder(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Put a folder back that a crash caught between making way and being succeeded."""
    replaced = folder.with_name(folder.name + REPLACED)
    if replaced.is_dir() and not folder.exists():
        replaced.rename(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot
            raise
    finally:
        os.close(descriptor)


def load_state(module: torch.nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Put named tensors into a module; the names must be exactly the module's own.

    Raises:
        CheckpointError: lists missing, unexpected and misshapen names.
    """
    own = {name: tensor.shape for name, tensor in module.state_dict().items()}
    check_fit(own, {name: tensor.shape for name, tensor in tensors.items()}, source)
    module.load_state_dict(dict(tensors))


def check_fit(
    expected: Mapping[str, Sequence[int]], given: Mapping[str, Sequence[int]], source: str
) -> None:
    """Compare names and shapes of tensors with those a model has.

    Raises:
        CheckpointError: lists missing, unexpected and misshapen names.
    """
    missing = sorted(set(expected) - set(given))
    unexpected = sorted(set(given) - set(expected))
    shaped = [
        f"{name} is {tuple(given[name])}, expected {tuple(expected[name])}"
        for name in sorted(set(expected) & set(given))
        if tuple(expected[name]) != tuple(given[name])
    ]
    problems = [
        f"{kind}: {_first(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("shape", shaped))
        if names
    ]
    if problems:
        raise CheckpointError(f"{source} does not fit this model; {'; '.join(problems)}")


def _first(names: list[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
