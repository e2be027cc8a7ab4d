"""Keys and values of tokens already read, kept so that generating never reads them twice.

Room is reserved once and written in place: reading a token costs no copy of what came before.
Beyond the reserved room it doubles. The cache is for inference; it keeps no gradients.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from triptych.errors import ShapeError


@runtime_checkable
class AttendingLayer(Protocol):
    """A cache that makes the attention itself, because what it holds lies in several places."""

    def attend(
        self,
        query: Float[Tensor, "batch head query head_dim"],
        key: Float[Tensor, "batch kv_head key head_dim"],
        value: Float[Tensor, "batch kv_head key head_dim"],
    ) -> Float[Tensor, "batch head query head_dim"]:
        """Take up new tokens and mix into each what it may see."""
        ...


class LayerCache:
    """Keys and values of one attention layer."""

    def __init__(
        self,
        batch: int,
        num_kv_heads: int,
        head_dim: int,
        max_tokens: int,
        dtype: torch.dtype,
        device: torch.device | str | None = None,
    ) -> None:
        shape = (batch, num_kv_heads, max_tokens, head_dim)
        self._keys = torch.empty(shape, dtype=dtype, device=device)
        self._values = torch.empty(shape, dtype=dtype, device=device)
        self.length = 0
        """Tokens held."""

    @classmethod
    def of(
        cls,
        keys: Float[Tensor, "batch kv_head position head_dim"],
        values: Float[Tensor, "batch kv_head position head_dim"],
    ) -> "LayerCache":
        """A cache that holds these, without a copy."""
        cache = cls.__new__(cls)
        cache._keys, cache._values, cache.length = keys, values, keys.shape[2]
        return cache

    @property
    def keys(self) -> Float[Tensor, "batch kv_head position head_dim"]:
        """Keys of the tokens held; a view."""
        return self._keys[:, :, : self.length]

    @property
    def values(self) -> Float[Tensor, "batch kv_head position head_dim"]:
        """Values of the tokens held; a view."""
        return self._values[:, :, : self.length]

    @property
    def memory_bytes(self) -> int:
        """Bytes reserved, used or not."""
        return self._keys.nbytes + self._values.nbytes

    def append(
        self,
        keys: Float[Tensor, "batch kv_head token head_dim"],
        values: Float[Tensor, "batch kv_head token head_dim"],
    ) -> tuple[
        Float[Tensor, "batch kv_head position head_dim"],
        Float[Tensor, "batch kv_head position head_dim"],
    ]:
        """Add new tokens; return views of all keys and values, the new ones last.

        Raises:
            ShapeError: batch, heads or width differ from what the cache was allocated for.
        """
        batch, kv_heads, num_new, head_dim = keys.shape
        reserved = self._keys.shape
        if (batch, kv_heads, head_dim) != (reserved[0], reserved[1], reserved[3]):
            raise ShapeError(
                f"a cache of batch {reserved[0]}, {reserved[1]} heads of {reserved[3]} cannot "
                f"take batch {batch}, {kv_heads} heads of {head_dim}; allocate it for this batch"
            )
        end = self.length + num_new
        if end > reserved[2]:
            self._grow(max(end, 2 * reserved[2]))
        self._keys[:, :, self.length : end] = keys.detach()
        self._values[:, :, self.length : end] = values.detach()
        self.length = end
        return self.keys, self.values

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """Keep these rows of the batch, in this order; a row may be named several times."""
        self._keys = _reordered(self._keys, rows, self.length)
        self._values = _reordered(self._values, rows, self.length)

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`."""
        self.length = min(self.length, length)

    def copy(self, start: int, stop: int) -> "LayerCache":
        """Some of the tokens held, in a cache of their own."""
        part = slice(start, stop)
        return LayerCache.of(self.keys[:, :, part].clone(), self.values[:, :, part].clone())

    def _grow(self, max_tokens: int) -> None:
        room = (0, 0, 0, max_tokens - self.length)
        self._keys, self._values = pad(self.keys, room), pad(self.values, room)


def _reordered(
    buffer: Float[Tensor, "batch kv_head room head_dim"], rows: Int[Tensor, " chosen"], length: int
) -> Float[Tensor, "chosen kv_head room head_dim"]:
    """Only the used part is copied; with as many rows as before the room is used again."""
    chosen = buffer[rows, :, :length]
    if len(rows) != len(buffer):
        buffer = buffer.new_empty(len(rows), *buffer.shape[1:])
    buffer[:, :, :length] = chosen
    return buffer


class KVCache:
    """One `LayerCache` a layer, and which of the positions held are padding."""

    def __init__(self, layers: list[LayerCache]) -> None:
        self.layers = layers
        self._key_mask: Bool[Tensor, "batch position"] | None = None

    @classmethod
    def allocate(
        cls,
        num_layers: int,
        batch: int,
        num_kv_heads: int,
        head_dim: int,
        max_tokens: int,
        dtype: torch.dtype,
        device: torch.device | str | None = None,
    ) -> "KVCache":
        """Reserve room for `max_tokens` positions; more are taken too, at the price of a copy."""
        room = (batch, num_kv_heads, head_dim, max_tokens, dtype, device)
        return cls([LayerCache(*room) for _ in range(num_layers)])

    @property
    def length(self) -> int:
        """Tokens that every layer holds."""
        return self.layers[-1].length

    @property
    def memory_bytes(self) -> int:
        """Bytes reserved by all layers."""
        return sum(layer.memory_bytes for layer in self.layers)

    @property
    def key_mask(self) -> Bool[Tensor, "batch position"] | None:
        """True on real tokens; None as long as no padding was recorded.

        May be shorter than the cache: what was added later without a mask is real.
        """
        return self._key_mask

    def extend_mask(self, token_mask: Bool[Tensor, "batch token"]) -> None:
        """Record which of the tokens about to be read are real; call it before reading them.

        Tokens read without this call count as real, so batches without padding, and steps that
        generate, need not call it.
        """
        known = self.mask_until(self.length)
        if known is not None:
            self._key_mask = torch.cat([known, token_mask], dim=1)
        elif not token_mask.all():
            self._key_mask = pad(token_mask, (self.length, 0), value=True)

    def mask_until(self, num_keys: int) -> Bool[Tensor, "batch position"] | None:
        """The padding mask over exactly `num_keys` positions; None when none is padding."""
        if self._key_mask is None:
            return None
        return pad(self._key_mask, (0, num_keys - self._key_mask.shape[1]), value=True)

    def select(self, rows: Int[Tensor, " chosen"]) -> None:
        """Keep these rows of the batch, in this order, in every layer.

        A beam search names the surviving row of each beam; naming one row several times starts
        several continuations of one reading.
        """
        for layer in self.layers:
            layer.select(rows)
        if self._key_mask is not None:
            self._key_mask = self._key_mask[rows]

    def copy(self, start: int, stop: int) -> "KVCache":
        """Some of the tokens held, none of which is padding, in a cache of their own."""
        return KVCache([layer.copy(start, stop) for layer in self.layers])

    def truncate(self, length: int) -> None:
        """Forget all tokens but the first `length`, to go on from there differently."""
        for layer in self.layers:
            layer.truncate(length)
        if self._key_mask is not None:
            self._key_mask = self._key_mask[:, :length]
