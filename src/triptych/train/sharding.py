"""A model whose matrices are split over the ranks, each put together only while a rank needs it.

    between steps     a rank holds its rows of every matrix, of its gradient, of its optimizer state
    within a step     besides, one whole block, and whatever stands outside of blocks

torch's `fully_shard` (FSDP2) does the splitting and the putting together. Its own hooks take for
granted that all ranks run the same layers in the same order, and wait for ever where one has no
picture, a pass less, or nothing to learn. Here ranks agree by turns instead. Whoever needs a block
says so and hears what the others need; then all of them bring together all blocks that were named,
in the same order, and each goes on with its own:

    rank 0, with a picture    vision 0   vision 1   language 0   language 1   -
    rank 1, text alone        language 0   language 1   -            -         -
    brought together          both       both       language 0   language 1   done

Between two turns a rank only computes, and it takes turns until all are done, so all take equally
many, and nobody waits for one that will not come. Ranks with the same work bring every block
together once. A turn ends with the gradients of the blocks that were left being added up.

Vectors (norms, biases, gates) stay whole on every rank: next to matrices they weigh nothing.

FSDP: https://arxiv.org/abs/2304.11277
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from triptych.fusion.vlm import PANELS
from triptych.nn.recompute import Recomputable
from triptych.train.passes import Trained
from triptych.train.ranks import Ranks
from triptych.train.splitting import Unit, forget_hooks, is_kept_whole, mesh_of


class Shards:
    """The matrices of a model, split over the ranks of a run."""

    def __init__(self, model: Trained, ranks: Ranks) -> None:
        """Every rank comes with the same whole model, frozen as it will be trained."""
        mesh = mesh_of(ranks.num_ranks, model.device)
        self.ranks = ranks
        self._model = model
        layers = list(_outermost_layers(model))
        self._blocks = [Unit(layer, mesh, _used_elsewhere(model, layer)) for layer in layers]
        self._rest = Unit(model, mesh, set())
        self._held: int | None = None
        """The block that is whole on this rank just now."""
        self._is_in_step = False
        self._hooks = [
            hook for index, layer in enumerate(layers) for hook in self._hooks_of(index, layer)
        ]

    @contextmanager
    def step(self) -> Generator[None]:
        """Inside this block the model can be run, forward and backward, block by block.

        Raises:
            RankLostError, OthersStopped: as `Ranks.exchange`, here and while it runs.
        """
        self.ranks.exchange("step")
        with self.ranks.in_contact():
            self._rest.gather()
        self._is_in_step = True
        try:
            yield
        finally:
            self._is_in_step = False
            self._let_go()
            self._rest.release()

    def meet(self) -> None:
        """Wait until all ranks are here, and serve those that need blocks on the way."""
        while self._is_in_step and not self._take_turn(None):
            pass

    def add_gradients(self, said: Any) -> list[Any]:
        """End the passes of a step: its gradient is in the shards afterwards, added up.

        What every rank says here comes back. After that a step is no more broken off, for some
        ranks would have learned from it and others not.
        """
        self.meet()
        vectors = [each for each in self._model.parameters() if is_kept_whole(each)]
        with self.ranks.stop.unbroken():
            heard = self.ranks.add_gradients(vectors, {"said": said, "rest": self._rest.mask()})
            with self.ranks.in_contact():
                self._rest.add_gradients(_united([each["rest"] for each in heard]))
            self.ranks.stop.commit()
        return [each["said"] for each in heard]

    @contextmanager
    def whole(self) -> Generator[None]:
        """The model is whole on every rank inside this block; no gradients are made of it.

        Raises:
            RankLostError, OthersStopped: as `Ranks.exchange`.
        """
        self.ranks.exchange("whole")
        with self.ranks.in_contact():
            for unit in self._units():
                unit.gather()
        try:
            yield
        finally:
            for unit in self._units():
                unit.release()

    def dissolve(self) -> None:
        """Give every rank the whole model for good; it is an ordinary one again.

        Raises:
            RankLostError, OthersStopped: as `Ranks.exchange`.
        """
        self.ranks.exchange("dissolve")
        for hook in self._hooks:
            hook.remove()
        with self.ranks.in_contact():
            for unit in self._units():
                unit.dissolve()
        forget_hooks(self._model)

    def _units(self) -> Iterator[Unit]:
        yield from self._blocks
        yield self._rest

    def _take_turn(self, need: int | None) -> bool:
        """Leave the block that is held for another one, or for none; whether nobody needs any."""
        left = {} if self._held is None else {str(self._held): self._blocks[self._held].mask()}
        heard = self.ranks.exchange({"left": left, "need": need})
        with self.ranks.in_contact():
            for index in sorted({int(index) for each in heard for index in each["left"]}):
                masks = [each["left"].get(str(index), "") for each in heard]
                self._blocks[index].add_gradients(_united(masks))
            self._let_go()
            needs = [each["need"] for each in heard if each["need"] is not None]
            for index in sorted(set(needs)):
                self._blocks[index].gather()
                if index != need:
                    self._blocks[index].release()
            self._held = need
        return not needs

    def _let_go(self) -> None:
        if self._held is not None:
            self._blocks[self._held].release()
            self._held = None

    def _hooks_of(self, index: int, layer: nn.Module) -> Iterator[Any]:
        yield layer.register_forward_pre_hook(partial(self._arrive, index))
        yield layer.register_forward_hook(partial(self._leave, index))

    def _arrive(self, index: int, *_: Any) -> None:
        if self._is_in_step and self._held != index:
            self._take_turn(index)

    def _leave(self, index: int, layer: nn.Module, given: Any, made: Any) -> None:
        """The gradient will come this way: the first that it reaches is what was made last."""
        if self._is_in_step:
            for tensor in _tensors(made):
                if tensor.requires_grad:
                    tensor.register_hook(partial(self._arrive, index))


def _outermost_layers(model: nn.Module) -> Iterator[nn.Module]:
    """The blocks of all panels but the hinge, none of which is inside of another."""
    for panel in PANELS:
        if hasattr(model, panel) and panel != "fusion":
            yield from _outermost(getattr(model, panel))


def _outermost(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, Recomputable):
        yield module
        return
    for child in module.children():
        yield from _outermost(child)


def _used_elsewhere(model: nn.Module, layer: nn.Module) -> set[nn.Parameter]:
    """Parameters that a layer shares with the rest of its model."""
    inside = set(layer.modules())
    outside = (each for each in model.modules() if each not in inside)
    return {each for module in outside for each in module.parameters(recurse=False)}


def _united(masks: Sequence[str]) -> str:
    """Marked by any; an empty one marks nothing."""
    length = max(map(len, masks))
    return "".join(
        "01"["1" in at] for at in zip(*(m.ljust(length, "0") for m in masks), strict=True)
    )


def _tensors(made: Any) -> Iterable[Tensor]:
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, tuple | list):
        for each in cast(Sequence[Any], made):
            yield from _tensors(each)
