"""Many sequences in one row: what one step of generation reads, and where it is kept.

    row      a a a a | b | c | d d         new tokens of four sequences, one after the other

Linear layers see all of them together, so a weight is read once for all. Attention is made in
parts: every sequence reads its own tokens, and each beginning that several share is read once for
all of them.

    beginnings   a KVCache of one row each, never copied and never changed once they are read
    slots        what a sequence has read since then: equal room for each, grown when needed

    slots        [ a's tokens ....      ]
                 [ b's tokens ......... ]        those with one new token are read together
                 [ c's tokens ..        ]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from triptych.nn.attention import attend
from triptych.nn.cache import KVCache, LayerCache
from triptych.nn.masks import mutual_mask
from triptych.nn.parts import LogSums, Mixed, PartMask, attend_part, merge

Queries = Float[Tensor, "1 head token head_dim"]
KeysOrValues = Float[Tensor, "1 kv_head token head_dim"]

_ROOM_STEP = 64
"""Slots have room for a multiple of so many tokens."""


class Slots:
    """Keys and values of sequences that grow, in rows that are kept without holes."""

    def __init__(
        self,
        num_layers: int,
        num_kv_heads: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device | str | None = None,
    ) -> None:
        empty = torch.empty((0, num_kv_heads, 0, head_dim), dtype=dtype, device=device)
        self.keys = [empty] * num_layers
        """Of every layer, `slot kv_head room head_dim`."""
        self.values = [empty] * num_layers
        self.lengths: list[int] = []
        """Tokens held in each slot that is open."""

    @property
    def num_rows(self) -> int:
        """Slots there is room for, open or not."""
        return self.keys[0].shape[0]

    @property
    def room(self) -> int:
        """Tokens each slot has room for."""
        return self.keys[0].shape[2]

    @property
    def memory_bytes(self) -> int:
        """Bytes reserved, used or not."""
        return sum(each.nbytes for each in (*self.keys, *self.values))

    def open(self) -> int:
        """A new empty slot, behind all others."""
        self.lengths.append(0)
        if len(self.lengths) > self.num_rows:
            self._resize(_rows_for(len(self.lengths)), self.room)
        return len(self.lengths) - 1

    def close(self, row: int) -> None:
        """Give up a slot; the last one moves into its place."""
        last = len(self.lengths) - 1
        length = self.lengths.pop()
        if row == last:
            return
        for buffer in (*self.keys, *self.values):
            buffer[row, :, :length] = buffer[last, :, :length]
        self.lengths[row] = length

    def reserve(self, length: int) -> None:
        """Make room for so many tokens in every slot."""
        if length > self.room:
            self._resize(self.num_rows, _room_for(length))

    def bytes_for(self, num_rows: int, length: int) -> int:
        """Bytes reserved at most while so many slots are open and none holds more tokens."""
        _, kv_heads, _, head_dim = self.keys[0].shape
        token_bytes = kv_heads * head_dim * self.keys[0].element_size()
        return 2 * len(self.keys) * token_bytes * _rows_for(num_rows) * _room_for(length)

    def shrink(self) -> None:
        """Give back room that is not needed any more; all of it when no slot is open."""
        num_rows, room = _rows_for(len(self.lengths)), _room_for(max(self.lengths, default=0))
        if num_rows < self.num_rows or 2 * room < self.room:
            self._resize(num_rows, min(self.room, room))

    def copy_in(self, row: int, caches: Sequence[KVCache]) -> None:
        """Fill an empty slot with what caches of one row hold, one after the other."""
        self.reserve(sum(cache.length for cache in caches))
        start = 0
        for cache in caches:
            part = slice(start, start + cache.length)
            for layer, held in enumerate(cache.layers):
                self.keys[layer][row, :, part] = held.keys[0]
                self.values[layer][row, :, part] = held.values[0]
            start = part.stop
        self.lengths[row] = start

    def copy_out(self, row: int, start: int, stop: int) -> KVCache:
        """Some of what a slot holds, in a cache of its own."""
        return KVCache(
            [
                LayerCache.of(
                    keys[row, None, :, start:stop].clone(), values[row, None, :, start:stop].clone()
                )
                for keys, values in zip(self.keys, self.values, strict=True)
            ]
        )

    def _resize(self, num_rows: int, room: int) -> None:
        kept, length = min(num_rows, self.num_rows), max(self.lengths, default=0)
        for buffers in (self.keys, self.values):
            for layer, old in enumerate(buffers):
                # Zeros: what a mask hides still must be a number.
                new = old.new_zeros(num_rows, old.shape[1], room, old.shape[3])
                new[:kept, :, :length] = old[:kept, :, :length]
                buffers[layer] = new


@dataclass(frozen=True, slots=True)
class Strip:
    """New tokens of one sequence: where they are kept, and what was read before them."""

    num_tokens: int
    slot: int | None
    """Row of the slots that takes them, or None where they go into `cache`."""
    cache: KVCache | None
    """Of one row: a beginning that is being read."""
    before: tuple[KVCache, ...] = ()
    """Beginnings in front, in order."""
    num_mutual: int = 0
    """Of an empty slot or cache, the first tokens, which all see each other."""

    def num_held(self, slots: Slots) -> int:
        """Tokens that its slot or cache holds already."""
        if self.cache is not None:
            return self.cache.length
        assert self.slot is not None
        return slots.lengths[self.slot]


@dataclass(frozen=True, slots=True)
class _Alone:
    """One strip that reads its own tokens by itself."""

    tokens: slice
    strip: Strip
    start: int
    mask: Bool[Tensor, "1 1 query key"] | None


@dataclass(frozen=True, slots=True)
class _Together:
    """Strips of one new token, which read their slots together."""

    tokens: Int[Tensor, " strip"] | slice
    rows: Int[Tensor, " strip"] | slice
    num_keys: int
    mask: Bool[Tensor, "strip 1 1 key"] | None


@dataclass(frozen=True, slots=True)
class _Shared:
    """Tokens that read one beginning."""

    tokens: Int[Tensor, " token"] | slice
    cache: KVCache
    mask: Bool[Tensor, "1 1 query key"] | None


class RaggedCache:
    """What the layers need to read strips of several sequences; good for one pass."""

    def __init__(self, slots: Slots, strips: Sequence[Strip], window: int | None = None) -> None:
        """`window` is how many tokens a token sees, itself included; None for all before it."""
        self.slots = slots
        self.strips = strips
        self._device = slots.keys[0].device
        starts = [strip.num_held(slots) for strip in strips]
        ends = [start + strip.num_tokens for start, strip in zip(starts, strips, strict=True)]
        in_slots = [end for end, strip in zip(ends, strips, strict=True) if strip.cache is None]
        slots.reserve(max(in_slots, default=0))
        self._firsts = _running_sums([strip.num_tokens for strip in strips])
        self._growing = {
            id(strip.cache): end
            for end, strip in zip(ends, strips, strict=True)
            if strip.cache is not None
        }
        self.num_tokens = sum(strip.num_tokens for strip in strips)
        self._starts = starts
        self._window = window
        self._write_rows, self._write_places, self._write_tokens = self._writing()
        self._together_with = self._one_each()
        self.together = self._read_together()
        self.alone = self._read_alone()
        self.shared = self._read_shared()
        self.layers = [RaggedLayer(self, layer) for layer in range(len(slots.keys))]

    def finish(self) -> None:
        """Count the new tokens as held, after all layers have read them."""
        for strip in self.strips:
            if strip.slot is not None:
                self.slots.lengths[strip.slot] += strip.num_tokens

    # -- plans, made once for all layers ----------------------------------------------------------

    def _writing(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row, place and token of everything that goes into slots."""
        rows: list[int] = []
        places: list[int] = []
        tokens: list[int] = []
        for strip, first, start in zip(self.strips, self._firsts, self._starts, strict=True):
            if strip.slot is not None:
                rows += [strip.slot] * strip.num_tokens
                places += range(start, start + strip.num_tokens)
                tokens += range(first, first + strip.num_tokens)
        return self._index(rows), self._index(places), self._index(tokens)

    def _one_each(self) -> list[int]:
        """Strips of one new token that are read together; none where there is but one."""
        chosen = [
            i
            for i, strip in enumerate(self.strips)
            if strip.slot is not None and strip.num_tokens == 1
        ]
        return chosen if len(chosen) > 1 else []

    def _read_together(self) -> _Together | None:
        chosen = self._together_with
        if not chosen:
            return None
        rows = [slot for i in chosen if (slot := self.strips[i].slot) is not None]
        ends = [self._starts[i] + 1 for i in chosen]
        num_keys = max(ends)
        mask = None
        if min(ends) < num_keys or self._is_narrow(max(self._reach(i) for i in chosen)):
            keys = torch.arange(num_keys, device=self._device)
            last = self._index(ends)[:, None]
            seen = keys < last
            if self._window is not None:
                seen = seen & (keys >= last - self._window)
            mask = seen[:, None, None]
        tokens = [self._firsts[i] for i in chosen]
        return _Together(self._range(tokens), self._range(rows), num_keys, mask)

    def _read_alone(self) -> list[_Alone]:
        alone: list[_Alone] = []
        for i, strip in enumerate(self.strips):
            if i not in self._together_with:
                first, start = self._firsts[i], self._starts[i]
                tokens = slice(first, first + strip.num_tokens)
                alone.append(_Alone(tokens, strip, start, self._own_mask(i)))
        return alone

    def _own_mask(self, index: int) -> Bool[Tensor, "1 1 query key"] | None:
        """Who sees whom within a strip's own tokens, where that is not simply causal."""
        strip, start = self.strips[index], self._starts[index]
        end = start + strip.num_tokens
        if not strip.num_mutual and not self._is_narrow(end):
            return None
        queries = torch.arange(start, end, device=self._device)[:, None]
        keys = torch.arange(end, device=self._device)
        seen = keys <= queries
        if self._window is not None:
            seen = seen & (keys > queries - self._window)
        seen = seen[None, None]
        if strip.num_mutual:
            is_mutual = (keys < strip.num_mutual)[None]
            seen = seen | mutual_mask(is_mutual)[:, :, start:]
        return seen

    def _read_shared(self) -> list[_Shared]:
        """Every beginning once, with the tokens that read it."""
        caches: dict[int, KVCache] = {}
        readers: dict[int, list[int]] = {}
        ages: dict[int, list[int]] = {}
        for i, strip in enumerate(self.strips):
            reach = self._reach(i)
            begin = 0
            for cache in strip.before:
                caches[id(cache)] = cache
                tokens = range(strip.num_tokens)
                readers.setdefault(id(cache), []).extend(self._firsts[i] + t for t in tokens)
                places = (reach - strip.num_tokens + t - begin for t in tokens)
                ages.setdefault(id(cache), []).extend(places)
                begin += self._length(cache)
        return [
            _Shared(self._range(readers[key]), cache, self._far_mask(ages[key], cache))
            for key, cache in caches.items()
        ]

    def _far_mask(
        self, places: Sequence[int], cache: KVCache
    ) -> Bool[Tensor, "1 1 query key"] | None:
        """What a window leaves of a beginning; `places` counts the queries from its first token."""
        if self._window is None or max(places) < self._window:
            return None
        keys = torch.arange(self._length(cache), device=self._device)
        return (keys > self._index(places)[:, None] - self._window)[None, None]

    def _reach(self, index: int) -> int:
        """Tokens of a sequence, beginnings and new ones included."""
        strip = self.strips[index]
        before = sum(self._length(cache) for cache in strip.before)
        return before + self._starts[index] + strip.num_tokens

    def _length(self, cache: KVCache) -> int:
        """Tokens a beginning holds once the new ones are written, which every layer does first."""
        return self._growing.get(id(cache), cache.length)

    def _is_narrow(self, num_tokens: int) -> bool:
        return self._window is not None and num_tokens > self._window

    def _range(self, indexes: Sequence[int]) -> Int[Tensor, " index"] | slice:
        """Indexes as a slice where they are one run, so that nothing is copied."""
        first = indexes[0]
        if list(indexes) == list(range(first, first + len(indexes))):
            return slice(first, first + len(indexes))
        return self._index(indexes)

    def _index(self, indexes: Sequence[int]) -> Int[Tensor, " index"]:
        return torch.tensor(indexes, dtype=torch.long, device=self._device)

    # -- one layer -------------------------------------------------------------------------------

    def write(self, layer: int, key: KeysOrValues, value: KeysOrValues) -> None:
        """Keep the keys and values of new tokens where they belong."""
        one = self.strips[0]
        if len(self.strips) == 1 and one.slot is not None:
            places = slice(self._starts[0], self._starts[0] + one.num_tokens)
            self.slots.keys[layer][one.slot, :, places] = key[0]
            self.slots.values[layer][one.slot, :, places] = value[0]
        elif len(self._write_tokens):
            for buffers, new in ((self.slots.keys, key), (self.slots.values, value)):
                rows = new[0].transpose(0, 1)
                if len(rows) != len(self._write_tokens):
                    rows = rows[self._write_tokens]
                buffers[layer][self._write_rows, :, self._write_places] = rows
        for each in self.alone:
            if each.strip.cache is not None:
                own = each.strip.cache.layers[layer]
                own.append(key[:, :, each.tokens], value[:, :, each.tokens])

    def own_keys_and_values(self, layer: int, each: _Alone) -> tuple[Tensor, Tensor]:
        """All that a strip holds itself, its new tokens included."""
        if each.strip.cache is not None:
            held = each.strip.cache.layers[layer]
            return held.keys, held.values
        assert each.strip.slot is not None
        end = each.start + each.strip.num_tokens
        row = slice(each.strip.slot, each.strip.slot + 1)
        return self.slots.keys[layer][row, :, :end], self.slots.values[layer][row, :, :end]


class RaggedLayer:
    """One layer's attention over what the strips hold."""

    def __init__(self, cache: RaggedCache, layer: int) -> None:
        self.cache = cache
        self.layer = layer

    def attend(
        self, query: Queries, key: KeysOrValues, value: KeysOrValues
    ) -> Float[Tensor, "1 head token head_dim"]:
        """Take up the new tokens and mix into each what it may see."""
        cache = self.cache
        cache.write(self.layer, key, value)
        mixed, sums = self._own(query)
        for part in cache.shared:
            held = part.cache.layers[self.layer]
            other = attend_part(query[:, :, part.tokens], held.keys, held.values, mask=part.mask)
            joined = merge(mixed[:, :, part.tokens], sums[:, :, part.tokens], *other)
            if isinstance(part.tokens, slice) and joined[0].shape == mixed.shape:
                mixed, sums = joined
            else:
                mixed[:, :, part.tokens], sums[:, :, part.tokens] = joined
        return mixed

    def _own(self, query: Queries) -> tuple[Mixed, LogSums]:
        """What every token reads of its own sequence behind the beginnings."""
        cache = self.cache
        if cache.together is not None and not cache.alone:
            return self._together(query, cache.together)
        if cache.together is None and len(cache.alone) == 1:
            return self._alone(query, cache.alone[0])
        mixed = torch.empty_like(query)
        sums = query.new_empty(query.shape[:3], dtype=torch.float32)
        if cache.together is not None:
            tokens = cache.together.tokens
            mixed[:, :, tokens], sums[:, :, tokens] = self._together(query, cache.together)
        for each in cache.alone:
            mixed[:, :, each.tokens], sums[:, :, each.tokens] = self._alone(query, each)
        return mixed, sums

    def _alone(self, query: Queries, each: _Alone) -> tuple[Mixed, LogSums]:
        keys, values = self.cache.own_keys_and_values(self.layer, each)
        own = query[:, :, each.tokens]
        return self._read(own, keys, values, each.mask, is_causal=each.mask is None)

    def _together(self, query: Queries, plan: _Together) -> tuple[Mixed, LogSums]:
        slots, layer = self.cache.slots, self.layer
        rows = query[0][:, plan.tokens].transpose(0, 1)[:, :, None]
        keys = slots.keys[layer][plan.rows][:, :, : plan.num_keys]
        values = slots.values[layer][plan.rows][:, :, : plan.num_keys]
        mixed, sums = self._read(rows, keys, values, plan.mask, is_causal=False)
        return mixed[:, :, 0].transpose(0, 1)[None], sums[:, :, 0].transpose(0, 1)[None]

    def _read(
        self,
        query: Float[Tensor, "batch head query head_dim"],
        keys: Float[Tensor, "batch kv_head key head_dim"],
        values: Float[Tensor, "batch kv_head key head_dim"],
        mask: PartMask | None,
        *,
        is_causal: bool,
    ) -> tuple[Mixed, LogSums]:
        """What queries read of their own; the sums mean nothing where no part is to be joined."""
        if self.cache.shared or query.device.type == "cpu":
            return attend_part(query, keys, values, mask=mask, is_causal=is_causal)
        # Only the kernel for a CPU tells its sums; elsewhere one that tells none is faster.
        mixed = attend(query, keys, values, mask=mask, is_causal=is_causal)
        return mixed, query.new_empty(query.shape[:3], dtype=torch.float32)


def _running_sums(counts: Sequence[int]) -> list[int]:
    sums = [0]
    for count in counts:
        sums.append(sums[-1] + count)
    return sums[:-1]


def _rows_for(num_rows: int) -> int:
    """A power of two, so that rows that come one by one are not copied each time."""
    return 1 << (num_rows - 1).bit_length() if num_rows else 0


def _room_for(length: int) -> int:
    """A little more than is needed now."""
    return -(-5 * length // (4 * _ROOM_STEP)) * _ROOM_STEP
