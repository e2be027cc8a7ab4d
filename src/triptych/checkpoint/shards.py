"""Weights in one safetensors file or in several with an index, as models are published."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from triptych.checkpoint.files import open_tensors, read_json, write_json, write_tensors
from triptych.errors import CheckpointError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

SHARD_BYTES = 5_000_000_000
"""Largest file of weights by custom; a single larger tensor gets a file of its own."""

MAPPED_BYTES = 32_000_000
"""What is read through one mapping of a file before it is mapped anew."""

LEAST_BYTES = 1_000_000
"""What the smallest tensor counts: the kernel maps its surroundings with it."""

FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Kinds of numbers that are weights as they stand; others are quantised."""


class StoredTensors:
    """The tensors of a folder: shapes and kinds at once, their numbers one tensor at a time."""

    def __init__(self, folder: Path, is_wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Look at the head of every file; tensors that are not wanted are as if not there.

        Raises:
            CheckpointError: a file is missing, torn, a pickle, or holds quantised weights.
        """
        self.files = _files(folder)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, torch.dtype] = {}
        self._names: dict[Path, list[str]] = {}
        for path in self.files:
            with open_tensors(path) as opened:
                names = list(filter(is_wanted, cast(list[str], list(opened.keys()))))
                self._names[path] = names
                for name in names:
                    stored = opened.get_slice(name)
                    self.shapes[name] = tuple(stored.get_shape())
                    self.dtypes[name] = _dtype(path, name, stored.get_dtype())

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        """Names and tensors that are views of the mapped file; copy what is to be kept.

        What has been read of a mapping counts as this process's memory, so a file is mapped anew
        now and then. The largest tensors of a file come first, while little else is held.
        """
        for path in self.files:
            for names in self._runs(path):
                with open_tensors(path) as opened:
                    for name in names:
                        yield name, opened.get_tensor(name)

    def _runs(self, path: Path) -> Iterator[list[str]]:
        """The names of a file, largest first, cut into what is read through one mapping."""
        run: list[str] = []
        num_bytes = 0
        for name in sorted(self._names[path], key=self._nbytes, reverse=True):
            run.append(name)
            num_bytes += max(self._nbytes(name), LEAST_BYTES)
            if num_bytes >= MAPPED_BYTES:
                yield run
                run, num_bytes = [], 0
        if run:
            yield run

    def _nbytes(self, name: str) -> int:
        return math.prod(self.shapes[name]) * self.dtypes[name].itemsize


def write_shards(
    folder: Path, tensors: Iterable[tuple[str, Tensor]], shard_bytes: int = SHARD_BYTES
) -> list[Path]:
    """Write tensors in their order into as few files as their sizes allow.

    Only the tensors of one file are held at a time, so tensors may be made while they are asked
    for.
    """
    written: list[tuple[Path, list[str]]] = []
    total_bytes = 0
    for number, shard in enumerate(_cut(tensors, shard_bytes), start=1):
        path = folder / f"model-{number:05}.safetensors"
        write_tensors(path, shard, {"format": "pt"})
        written.append((path, list(shard)))
        total_bytes += sum(tensor.nbytes for tensor in shard.values())
    if len(written) == 1:
        return [written[0][0].rename(folder / WEIGHTS)]
    places: dict[str, str] = {}
    paths: list[Path] = []
    for number, (path, names) in enumerate(written, start=1):
        path = path.rename(folder / f"model-{number:05}-of-{len(written):05}.safetensors")
        places.update(dict.fromkeys(names, path.name))
        paths.append(path)
    write_json(folder / INDEX, {"metadata": {"total_size": total_bytes}, "weight_map": places})
    return paths


def _cut(tensors: Iterable[tuple[str, Tensor]], shard_bytes: int) -> Iterator[Mapping[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    num_bytes = 0
    for name, tensor in tensors:
        if shard and num_bytes + tensor.nbytes > shard_bytes:
            yield shard
            shard, num_bytes = {}, 0
        shard[name] = tensor
        num_bytes += tensor.nbytes
    yield shard


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        places = cast(Any, index).get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not places:
            raise CheckpointError(f"{folder / INDEX} names no files under 'weight_map'")
        names = sorted({str(each) for each in cast(dict[str, Any], places).values()})
        for name in names:
            if Path(name).name != name:
                raise CheckpointError(
                    f"{folder / INDEX} names the file {name!r} outside its folder"
                )
        return [folder / name for name in names]
    pickles = sorted(path for path in folder.glob("*.bin") if path.name.startswith("pytorch_model"))
    if pickles and not (folder / WEIGHTS).is_file():
        return [pickles[0]]  # which is refused, with the reason, as it is opened
    return [folder / WEIGHTS]


def _dtype(path: Path, name: str, kind: str) -> torch.dtype:
    if kind not in FLOATS:
        raise CheckpointError(
            f"{path} stores {name} as {kind}; quantised weights cannot be read, take those "
            f"stored as {', '.join(FLOATS)}"
        )
    return FLOATS[kind]
