"""A device that every machine has: tensors that say they lie elsewhere, and are computed here.

Where a GPU would refuse a sum of a tensor of its own and one of the processor, so does this, and
the numbers are those of the processor. So what runs here to its end makes all its tensors in the
right place, and what comes out can be compared to the last bit.

    with elsewhere():
        model = moved(model)            every weight lies on the device ELSEWHERE
        model(inputs)                   DeviceMixError where a tensor was left behind
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE = torch.device("meta")
"""The one device besides the processor that torch knows everywhere."""

M = TypeVar("M", bound=nn.Module)

_aten = torch.ops.aten
_TAKES_BOTH = {
    _aten.copy_.default,
    # A GPU takes indexes from the processor, too.
    _aten.index.Tensor,
    _aten.index_put.default,
    _aten.index_put_.default,
}


class DeviceMixError(AssertionError):
    """An operation met tensors of both devices."""


class _There(Tensor):
    """A tensor that says it lies elsewhere."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "_There":
        with torch.inference_mode(False):  # views of weights must be no inference tensors
            made = Tensor._make_wrapper_subclass(
                cls,
                here.shape,
                strides=here.stride(),
                storage_offset=here.storage_offset(),
                dtype=here.dtype,
                device=ELSEWHERE,
            )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What never becomes an operation, or becomes one without its numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and _is_there(kwargs.get("device")):
            return torch.tensor(*args, **kwargs | {"device": None}).to(ELSEWHERE)
        if func is Tensor.tolist and isinstance(args[0], _There):
            return args[0].here.tolist()
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            args = (args[0], _with_tensors(args[1]), *args[2:])
        return func(*args, **kwargs)


@contextmanager
def elsewhere() -> Generator[None]:
    """Inside, the device ELSEWHERE holds numbers."""
    with _Operations(), _Functions():
        yield


def moved(module: M) -> M:
    """The module with its weights and buffers elsewhere; those that share stay one."""
    known: dict[int, nn.Parameter] = {}
    for each in module.modules():
        for name, parameter in each._parameters.items():
            if parameter is not None:
                there = nn.Parameter(_There(parameter.detach()), parameter.requires_grad)
                each._parameters[name] = known.setdefault(id(parameter), there)
        for name, buffer in each._buffers.items():
            each._buffers[name] = None if buffer is None else _There(buffer)
    return module


def _is_there(device: Any) -> bool:
    return device is not None and torch.device(device) == ELSEWHERE


def _with_tensors(index: Any) -> Any:
    """An index whose lists are tensors: torch would make them elsewhere, without numbers."""
    if isinstance(index, tuple):
        return tuple(map(_with_tensors, index))
    return torch.tensor(index, dtype=torch.long) if isinstance(index, list) else index


def _here(value: Any) -> Any:
    return value.here if isinstance(value, _There) else value


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    there = [each for each in tensors if isinstance(each, _There)]
    # A single number may come from the processor.
    left = [each.shape for each in tensors if not isinstance(each, _There) and each.ndim]
    if there and left and func not in _TAKES_BOTH:
        raise DeviceMixError(f"{func} met tensors of {list(map(tuple, left))} left behind")
    goes_there = bool(there)
    if kwargs.get("device") is not None:
        goes_there = _is_there(kwargs["device"])
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = tree_map(_here, (args, kwargs))
    out = func(*args, **kwargs)
    if not goes_there:
        return out
    known = {id(each.here): each for each in there}

    def placed(each: Any) -> Any:
        if not isinstance(each, Tensor):
            return each
        return known[id(each)] if id(each) in known else _There(each)

    return tree_map(placed, out)
