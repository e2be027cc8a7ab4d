"""Matrices that are split over ranks by their rows, and put together with torch's FSDP2.

    rank 0   rows 0 1 2        a matrix of 5 rows, as DTensor: its shape is the whole one's, what is
    rank 1   rows 3 4          here are the rows of this rank

Vectors (norms, biases, gates) stay whole on every rank: next to matrices they weigh nothing.
What torch takes a second to import is imported by runs that need it.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn


def mesh_of(num_ranks: int, device: torch.device) -> Any:
    """All ranks in a row."""
    from torch.distributed.device_mesh import init_device_mesh

    return init_device_mesh(device.type, (num_ranks,))


def is_split(tensor: Tensor) -> bool:
    """Whether only some rows of it are here."""
    # A DTensor, that is; asking for the class would mean importing it.
    return hasattr(tensor, "to_local")


def is_kept_whole(parameter: Tensor) -> bool:
    """Whether it is none of those that are split."""
    return not is_split(parameter) and parameter.ndim < 2


def own_rows(tensor: Tensor) -> Tensor:
    """What is here of a tensor, sharing its memory."""
    return cast(Any, tensor).to_local() if is_split(tensor) else tensor


def whole_of(tensor: Tensor) -> Tensor:
    """All of a tensor; all ranks ask for it at once."""
    return cast(Any, tensor).full_tensor() if is_split(tensor) else tensor


def split_like(whole: Tensor, like: Tensor) -> Tensor:
    """This rank's rows of a tensor that every rank has, if the other one is split."""
    if not is_split(like):
        return whole
    from torch.distributed.tensor import distribute_tensor

    there: Any = like
    here = whole.to(like.device)
    return distribute_tensor(here, there.device_mesh, there.placements, src_data_rank=None)


class Unit:
    """Matrices that are put together at once: those of a layer, or of all that is no such layer."""

    def __init__(self, layer: nn.Module, mesh: Any, others: set[nn.Parameter]) -> None:
        """`others` are parameters of the layer that belong to another unit."""
        from torch.distributed.fsdp import fully_shard

        self._mesh = mesh
        self._holder = _Holder(layer)
        known = set(self._holder.parameters())
        kept = {p for p in known if p in others or is_split(p) or is_kept_whole(p)}
        self._module = fully_shard(self._holder, mesh=mesh, ignored_params=kept)
        named = self._holder.named_parameters()
        self._shards = {name: each for name, each in named if is_split(each) and each not in kept}
        self._whole: dict[str, nn.Parameter] = {}
        """The same while they are whole."""

    def gather(self) -> None:
        """Put the matrices together; all ranks do so at once."""
        self._module.unshard()
        named = dict(self._holder.named_parameters())
        self._whole = {name: named[name] for name in self._shards}

    def release(self) -> None:
        """Leave of every matrix this rank's rows, and of gradients that were not added nothing."""
        for each in self._whole.values():
            each.grad = None
        self._whole = {}
        self._module.reshard()

    def mask(self) -> str:
        """Which of the matrices have a gradient on this rank: a 0 or 1 for each."""
        return "".join("01"[each.grad is not None] for each in self._whole.values())

    @torch.no_grad()
    def add_gradients(self, mask: str) -> None:
        """Add up the gradients that are marked, and keep this rank's rows; all ranks do so at once.

        On ranks that have none they are zero. An empty mask marks nothing.
        """
        for (name, shard), is_meant in zip(self._shards.items(), mask, strict=bool(mask)):
            if is_meant == "1":
                _add_up(shard, self._whole.get(name), self._mesh)

    def dissolve(self) -> None:
        """Put whole parameters in the places of the shards; all ranks do so at once."""
        for shard in self._shards.values():
            whole = nn.Parameter(whole_of(shard).detach(), shard.requires_grad)
            for module in self._holder.modules():
                for name, each in list(module.named_parameters(recurse=False)):
                    if each is shard:
                        module.register_parameter(name, whole)


class _Holder(nn.Module):
    """What `fully_shard` is told of. It is never called, so torch's own hooks, which are on it,
    never run, and the layer stays of its class."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer


def _add_up(shard: Tensor, whole: Tensor | None, mesh: Any) -> None:
    from torch.distributed.tensor import DTensor, Partial

    own = None if whole is None else whole.grad
    if own is None:
        own = torch.zeros(shard.shape, dtype=shard.dtype, device=shard.device)
    share = DTensor.from_local(own, mesh, [Partial()], run_check=False)
    rows = share.redistribute(mesh, cast(Any, shard).placements)
    shard.grad = rows if shard.grad is None else shard.grad + rows
    if whole is not None:
        whole.grad = None


def forget_hooks(model: nn.Module) -> None:
    """Take away what torch hung on the layers to split them anew whenever their state is asked for;
    it would keep the shards in memory."""
    for module in model.modules():
        inner = cast(Any, module)
        inner._state_dict_pre_hooks.clear()
        inner._load_state_dict_pre_hooks.clear()
