"""Samples on their way from one process to another, through a pipe.

Tensors travel as raw bytes beside the rest and land in memory of their own, aligned as if they had
been made here. Shared memory would save a copy (a millisecond for two million numbers), and leaves
files behind when a process is killed, runs out in small containers, and dies with its maker.
"""

import io
import pickle
from multiprocessing.connection import Connection
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from triptych.errors import TriptychError


def send(connection: "Connection[Any, Any]", value: object) -> None:
    """Send any value; the other end takes it by `receive`."""
    body, buffers = _pack(value)
    connection.send_bytes(pickle.dumps([buffer.nbytes for buffer in buffers]))
    connection.send_bytes(body)
    for buffer in buffers:
        connection.send_bytes(buffer)


def receive(connection: "Connection[Any, Any]") -> Any:
    """The next value.

    Raises:
        EOFError, OSError: the other end is gone, perhaps in the middle of a value.
    """
    sizes = cast(list[int], pickle.loads(connection.recv_bytes()))
    body = connection.recv_bytes()
    buffers: list[np.ndarray[Any, np.dtype[np.uint8]]] = []
    for size in sizes:
        buffer = torch.empty(size, dtype=torch.uint8).numpy()
        connection.recv_bytes_into(buffer)
        buffers.append(buffer)
    return pickle.loads(body, buffers=buffers)


def can_cross(value: object) -> bool:
    """Whether a value arrives as what it was, by type and by text."""
    try:
        body, buffers = _pack(value)
        arrived = pickle.loads(body, buffers=buffers)
    except Exception:
        return False
    return type(arrived) is type(value) and str(arrived) == str(value)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            if not obj.numel():
                return _no_numbers, (obj.dtype, tuple(obj.shape))
            flat = obj.detach().cpu().contiguous()
            content: Any = flat.reshape(-1).view(torch.uint8).numpy()
            return _tensor, (pickle.PickleBuffer(content), flat.dtype, tuple(flat.shape))
        if isinstance(obj, TriptychError):
            return _error, (type(obj), obj.args, dict(obj.__dict__))
        return NotImplemented


def _pack(value: object) -> tuple[bytes, list[memoryview]]:
    file, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue(), [buffer.raw() for buffer in buffers]


def _tensor(
    content: np.ndarray[Any, np.dtype[np.uint8]], dtype: torch.dtype, shape: tuple[int, ...]
) -> Tensor:
    return torch.from_numpy(np.asarray(content)).view(dtype).reshape(shape)


def _no_numbers(dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=dtype)


def _error(
    kind: type[TriptychError], args: tuple[object, ...], state: dict[str, object]
) -> TriptychError:
    """An error whose `__init__` takes other arguments than its sentence."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
