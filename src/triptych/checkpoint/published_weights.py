"""Weights of published folders under our names, one tensor at a time from the mapped files."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from triptych.checkpoint.files import check_fit
from triptych.checkpoint.shards import StoredTensors
from triptych.errors import CheckpointError
from triptych.published.tensors import PublishedTensor

HubName = Callable[[str], str | None]
"""The name on the Hub of a stored tensor; None for one that is left in its file."""


class PublishedWeights:
    """The tensors of a folder, known by their names on the Hub."""

    def __init__(self, folder: Path, hub_name: HubName) -> None:
        """Look at the head of every file.

        Raises:
            CheckpointError: a file is missing, torn, a pickle, or holds quantised weights; or a
                tensor is there twice.
        """
        self.folder = folder
        self.stored = StoredTensors(folder, is_wanted=lambda name: hub_name(name) is not None)
        self.names = {name: hub_name(name) or "" for name in self.stored.shapes}
        self.shapes = {self.names[name]: shape for name, shape in self.stored.shapes.items()}
        self.dtypes = {self.names[name]: dtype for name, dtype in self.stored.dtypes.items()}
        if len(self.shapes) < len(self.stored.shapes):
            raise CheckpointError(f"{folder} holds a tensor twice, under both kinds of name")

    def read(
        self,
        tensors: Sequence[PublishedTensor],
        dtype: torch.dtype,
        *,
        unread: Sequence[PublishedTensor] = (),
        tied: tuple[str, str] | None = None,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Our names and tensors, and as published those of `unread` that are there.

        Args:
            tensors: All that must be there.
            dtype: What they become.
            unread: What may be there besides.
            tied: The embedding table and the head, where these are one; the head may be there
                too, and is then the same.

        Raises:
            CheckpointError: tensors are missing, unexpected or misshapen, or the head differs.
        """
        state: dict[str, Tensor] = {}

        def keep(name: str, tensor: Tensor) -> None:
            state[name] = tensor.to(dtype, copy=True)

        besides = self.pour(tensors, keep, dtype, unread=unread, tied=tied)
        return state, besides

    def pour(
        self,
        tensors: Sequence[PublishedTensor],
        put: Callable[[str, Tensor], None],
        dtype: torch.dtype,
        *,
        unread: Sequence[PublishedTensor] = (),
        tied: tuple[str, str] | None = None,
    ) -> dict[str, Tensor]:
        """Put each tensor under our name, a view of the mapped file, where it belongs.

        Returns, as published and in this dtype, those of `unread` that are there; else as `read`.
        """
        self._check(tensors, unread, tied)
        ours = {tensor.name: tensor for tensor in tensors}
        kept = {tensor.name for tensor in unread}
        besides: dict[str, Tensor] = {}
        for stored_name, tensor in self.stored:
            name = self.names[stored_name]
            if name in ours:
                for part, piece in ours[name].split(tensor):
                    put(part, piece)
            elif name in kept:
                besides[name] = tensor.to(dtype, copy=True)
        return besides

    def _check(
        self,
        tensors: Sequence[PublishedTensor],
        unread: Sequence[PublishedTensor],
        tied: tuple[str, str] | None,
    ) -> None:
        given = dict(self.shapes)
        expected = {tensor.name: tensor.shape for tensor in tensors}
        expected |= {tensor.name: tensor.shape for tensor in unread if tensor.name in given}
        if tied is not None and tied[1] in given:
            self._check_tied(*tied)
            del given[tied[1]]
        check_fit(expected, given, f"the weights in {self.folder}")

    def _check_tied(self, embedding: str, head: str) -> None:
        """Some files hold the tied head as well; it must be what it is tied to."""
        pair = [tensor for name, tensor in self.stored if self.names[name] in (embedding, head)]
        if len(pair) == 2 and not torch.equal(*pair):
            raise CheckpointError(
                f"{self.folder} ties the head to the embedding table, but {head} and {embedding} "
                "differ; set tie_word_embeddings to false in its config.json"
            )
