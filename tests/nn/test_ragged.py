"""Sequences read in one row are what each is alone, however what they hold is spread."""

import pytest
import torch

from triptych.nn.attention import attend
from triptych.nn.cache import KVCache, LayerCache
from triptych.nn.masks import causal_mask, mutual_mask, window_mask
from triptych.nn.parts import NOTHING, attend_part, merge
from triptych.nn.ragged import RaggedCache, Slots, Strip

HEADS, KV_HEADS, DIM = 4, 2, 8


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_query", [1, 5])
@pytest.mark.parametrize("split", [1, 7, 11])
def test_two_parts_merged_are_the_whole(split, num_query):
    query = draw(2, HEADS, num_query, DIM)
    key, value = draw(2, KV_HEADS, 12, DIM, seed=1), draw(2, KV_HEADS, 12, DIM, seed=2)
    parts = [
        attend_part(query, key[:, :, part], value[:, :, part])
        for part in (slice(0, split), slice(split, 12))
    ]
    mixed, _ = merge(*parts[0], *parts[1])
    torch.testing.assert_close(mixed, attend(query, key, value))


@pytest.mark.parametrize("is_hidden", [False, True], ids=["kernel", "spelled out"])
def test_a_part_is_what_attention_is(is_hidden):
    query = draw(1, HEADS, 6, DIM)
    key, value = draw(1, KV_HEADS, 9, DIM, seed=1), draw(1, KV_HEADS, 9, DIM, seed=2)
    mask = draw(1, 1, 6, 9, seed=3) > 0
    mask[..., 0] = True
    if is_hidden:  # a query that sees nothing is not for the kernel
        mask[:, :, 2] = False
    mixed, sums = attend_part(query, key, value, mask=mask)
    torch.testing.assert_close(mixed, attend(query, key, value, mask=mask))
    scores = query @ key.repeat_interleave(2, dim=1).transpose(-1, -2) * DIM**-0.5
    expected = scores.masked_fill(~mask, NOTHING).logsumexp(dim=-1)
    torch.testing.assert_close(sums, expected)


def test_a_part_nobody_sees_counts_nothing():
    query, key = draw(1, HEADS, 2, DIM), draw(1, KV_HEADS, 3, DIM, seed=1)
    seen = attend_part(query, key, key)
    mask = torch.zeros(1, 1, 2, 3, dtype=torch.bool)
    unseen = attend_part(query, draw(1, KV_HEADS, 3, DIM, seed=5), key, mask=mask)
    torch.testing.assert_close(merge(*seen, *unseen), seen, rtol=0, atol=0)


# -- slots ---------------------------------------------------------------------------------------


def filled(lengths: list[int]) -> Slots:
    """Slots that hold so many tokens of noise."""
    slots = Slots(2, KV_HEADS, DIM, torch.float32)
    for length in lengths:
        row = slots.open()
        slots.reserve(length)
        for layer in range(2):
            seed = 10 * row + layer
            slots.keys[layer][row, :, :length] = draw(KV_HEADS, length, DIM, seed=seed)
            slots.values[layer][row, :, :length] = draw(KV_HEADS, length, DIM, seed=seed + 100)
        slots.lengths[row] = length
    return slots


def test_the_last_slot_moves_into_the_place_of_a_closed_one():
    slots = filled([3, 90, 5])
    last = slots.copy_out(2, 0, slots.lengths[2])
    slots.close(0)
    assert slots.lengths == [5, 90]
    for mine, kept in zip(slots.copy_out(0, 0, slots.lengths[0]).layers, last.layers, strict=True):
        assert torch.equal(mine.keys, kept.keys)
        assert torch.equal(mine.values, kept.values)


def test_a_slot_takes_copies_of_what_caches_hold():
    slots = filled([3, 0])
    slots.copy_in(1, [beginning(5, 300), beginning(90, 310)])
    assert slots.lengths == [3, 95]
    held = slots.copy_out(1, 5, 95)
    for mine, given in zip(held.layers, beginning(90, 310).layers, strict=True):
        assert torch.equal(mine.keys, given.keys)
        assert torch.equal(mine.values, given.values)


def test_slots_grow_and_give_back():
    slots = filled([3])
    before, small = slots.copy_out(0, 0, slots.lengths[0]), slots.memory_bytes
    for _ in range(7):
        slots.open()
    slots.reserve(1000)
    assert slots.room >= 1000
    assert slots.memory_bytes > 100 * small
    assert slots.memory_bytes == slots.bytes_for(8, 1000)
    assert torch.equal(slots.copy_out(0, 0, slots.lengths[0]).layers[1].keys, before.layers[1].keys)
    for _ in range(8):
        slots.close(0)
        slots.shrink()
    assert slots.memory_bytes == 0


# -- strips --------------------------------------------------------------------------------------


def beginning(length: int, seed: int) -> KVCache:
    """A beginning that was read."""
    return KVCache(
        [
            LayerCache.of(
                draw(1, KV_HEADS, length, DIM, seed=seed + layer),
                draw(1, KV_HEADS, length, DIM, seed=seed + layer + 7),
            )
            for layer in range(2)
        ]
    )


def empty(room: int) -> KVCache:
    return KVCache.allocate(2, 1, KV_HEADS, DIM, room, torch.float32)


def alone(slots, strip, layer, query, key, value, window):
    """One strip with all that stands before it in one piece, by plain attention."""
    held = [cache.layers[layer] for cache in strip.before]
    keys = [each.keys for each in held]
    values = [each.values for each in held]
    if strip.cache is not None:
        keys.append(strip.cache.layers[layer].keys)
        values.append(strip.cache.layers[layer].values)
    else:
        own = slots.copy_out(strip.slot, 0, slots.lengths[strip.slot]).layers[layer]
        keys.append(own.keys)
        values.append(own.values)
    keys, values = torch.cat([*keys, key], dim=2), torch.cat([*values, value], dim=2)
    num_query, num_key = query.shape[2], keys.shape[2]
    mask = causal_mask(num_query, num_key)
    if window is not None:
        mask = mask & window_mask(num_query, num_key, window)
    if strip.num_mutual:
        mask = mask | mutual_mask((torch.arange(num_key) < strip.num_mutual)[None])
    return attend(query, keys, values, mask=mask)


def check(slots: Slots, strips: list[Strip], window: int | None = None) -> None:
    num_tokens = sum(strip.num_tokens for strip in strips)
    query = draw(1, HEADS, num_tokens, DIM, seed=50)
    key, value = (draw(1, KV_HEADS, num_tokens, DIM, seed=seed) for seed in (51, 52))
    bounds = torch.tensor([0, *(strip.num_tokens for strip in strips)]).cumsum(0).tolist()
    expected = {
        layer: torch.cat(
            [
                alone(slots, strip, layer, *(x[:, :, a:b] for x in (query, key, value)), window)
                for strip, a, b in zip(strips, bounds[:-1], bounds[1:], strict=True)
            ],
            dim=2,
        )
        for layer in range(2)
    }
    lengths = [strip.num_held(slots) + strip.num_tokens for strip in strips]
    cache = RaggedCache(slots, strips, window)
    for layer in range(2):
        torch.testing.assert_close(cache.layers[layer].attend(query, key, value), expected[layer])
    cache.finish()
    assert [strip.num_held(slots) for strip in strips] == lengths


WINDOWS = pytest.mark.parametrize("window", [None, 4, 30])


@WINDOWS
def test_slots_of_unequal_length_take_a_token_each(window):
    slots = filled([3, 0, 70, 9])
    check(slots, [Strip(1, row, None) for row in range(4)], window)


@WINDOWS
def test_not_all_slots_need_go_on_nor_in_their_order(window):
    slots = filled([3, 5, 7, 9])
    check(slots, [Strip(1, 3, None), Strip(1, 0, None)], window)


@WINDOWS
def test_prompts_drafts_and_answers_are_read_in_one_row(window):
    slots = filled([3, 6, 0])
    strips = [Strip(1, 0, None), Strip(4, 1, None), Strip(5, 2, None), Strip(7, None, empty(7))]
    check(slots, strips, window)


@WINDOWS
def test_a_shared_beginning_is_as_good_as_one_of_each(window):
    slots = filled([2, 0, 6, 4])
    first, second, other = beginning(20, 300), beginning(6, 310), beginning(11, 320)
    strips = [
        Strip(1, 0, None, (first,)),
        Strip(1, 2, None, (other,)),
        Strip(1, 3, None, (first, second)),
        Strip(3, 1, None, (first, second)),
    ]
    check(slots, strips, window)


@WINDOWS
def test_a_beginning_goes_on_where_it_was_left(window):
    slots = filled([2])
    begun = beginning(5, 300)
    check(slots, [Strip(1, 0, None), Strip(4, None, begun, (beginning(9, 310),))], window)
    assert begun.length == 9


@WINDOWS
def test_what_follows_a_beginning_may_be_read_in_the_same_pass(window):
    def spread(whole: KVCache, tail: KVCache, slots: Slots) -> list[Strip]:
        return [
            Strip(6, None, whole),
            Strip(4, None, tail, (whole,)),
            Strip(3, 0, None, (whole, tail)),
            Strip(1, 1, None, (whole, tail)),
        ]

    def read(strips: list[Strip], slots: Slots, tokens: slice) -> torch.Tensor:
        query = draw(1, HEADS, 14, DIM, seed=50)[:, :, tokens]
        key, value = (draw(1, KV_HEADS, 14, DIM, seed=s)[:, :, tokens] for s in (51, 52))
        cache = RaggedCache(slots, strips, window)
        mixed = [layer.attend(query, key, value) for layer in cache.layers]
        cache.finish()
        return mixed[1]

    slots, whole, tail = filled([2, 3]), empty(6), empty(4)
    together = read(spread(whole, tail, slots), slots, slice(0, 14))
    slots, whole, tail = filled([2, 3]), empty(6), empty(4)
    strips = spread(whole, tail, slots)
    one_by_one = [
        read([strips[0]], slots, slice(0, 6)),
        read([strips[1]], slots, slice(6, 10)),
        read(strips[2:], slots, slice(10, 14)),
    ]
    torch.testing.assert_close(together, torch.cat(one_by_one, dim=2))


def test_tokens_that_see_each_other_are_read_in_both_directions():
    slots = filled([0, 0])
    check(slots, [Strip(9, 0, None, num_mutual=6), Strip(7, None, empty(7), num_mutual=7)])


def test_numbers_left_behind_in_a_slot_are_never_seen():
    slots = filled([70, 3])
    slots.keys[0][1, :, 3:] = 1e4
    slots.values[1][1, :, 3:] = 1e4
    check(slots, [Strip(1, 0, None), Strip(1, 1, None)])
