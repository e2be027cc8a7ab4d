"""The tree of beginnings that were read before."""

import torch
from tests.laws.debug_models import picture, subject

from triptych.generate.beginnings import (
    LEAST_SHARED,
    Beginnings,
    common_length,
    picture_content,
    token_keys,
)
from triptych.nn.cache import KVCache, LayerCache
from triptych.processor import ask_about

LONG = tuple(range(100, 100 + 2 * LEAST_SHARED))


def held(keys):
    """A cache whose keys say which tokens they are of."""
    numbers = torch.tensor(keys, dtype=torch.float32).reshape(1, 1, -1, 1)
    return KVCache([LayerCache.of(numbers, -numbers)])


def add(tree, parent, keys):
    beginning = tree.add(parent, keys, held(keys))
    beginning.num_read = len(keys)
    return beginning


def told(beginning):
    """The tokens a chain of beginnings holds, by what is in its caches."""
    parts = [each.cache.layers[0].keys.flatten().int().tolist() for each in beginning.chain]
    return tuple(token for part in parts for token in part)


def test_nothing_begins_like_nothing():
    assert Beginnings(4).match((1, 2, 3)) == (None, 0)


def test_the_longest_chain_is_found():
    tree = Beginnings(4)
    first = add(tree, None, (1, 2))
    second = add(tree, first, (3, 4, 5))
    assert tree.match((1, 2, 3, 4, 5, 6)) == (second, 5)
    assert tree.match((1, 2, 3, 4)) == (first, 2)
    assert tree.match((2, 1)) == (None, 0)
    assert tree.memory_bytes == 5 * 4


def test_a_run_that_is_shared_in_part_is_split_there():
    tree = Beginnings(4)
    whole = add(tree, None, LONG)
    tail = add(tree, whole, (7, 8))
    found, length = tree.match((*LONG[: LEAST_SHARED + 3], 1, 2))
    assert length == LEAST_SHARED + 3
    assert told(found) == LONG[:length]
    assert told(tail) == (*LONG, 7, 8), "who stood on the run still does"
    assert tail.num_tokens == len(LONG) + 2
    assert tree.memory_bytes == 4 * (len(LONG) + 2)


def test_too_little_is_not_worth_a_split():
    tree = Beginnings(4)
    add(tree, None, LONG)
    assert tree.match((*LONG[: LEAST_SHARED - 1], 1)) == (None, 0)


def test_a_run_that_is_being_read_is_not_split():
    tree = Beginnings(4)
    begun = tree.add(None, LONG, KVCache.allocate(1, 1, 1, 1, len(LONG), torch.float32))
    assert tree.match(LONG[:LEAST_SHARED]) == (None, 0)
    found, _ = tree.match(LONG)
    assert found is begun
    assert not begun.is_ready


def test_the_longest_unused_goes_first_and_what_is_used_stays():
    tree = Beginnings(1)
    old, used, new = (add(tree, None, (name, 1, 2)) for name in (10, 20, 30))
    leaf = add(tree, used, (5,))
    used.num_users = 1
    tree.match((10, 1, 2))  # the old one is the newest now
    assert tree.shrink(6)
    assert set(tree) == {old, used}
    assert not tree.shrink(0)
    assert set(tree) == {used}
    assert leaf not in tree
    assert new not in tree
    used.num_users = 0
    assert tree.shrink(0)
    assert tree.memory_bytes == 0


def test_common_beginnings_are_counted():
    assert common_length((1, 2, 3), (1, 2, 4, 5)) == 2
    assert common_length((1, 2), (1, 2, 4)) == 2
    assert common_length((), (1,)) == 0


def test_a_picture_is_told_by_what_the_model_gets_of_it():
    processor = subject("qwen2_vl_debug").processor
    first, again, other = (processor.encode_image(picture(n)) for n in (0, 0, 1))
    smaller = processor.encode_image(picture(0, 32, 32))
    assert picture_content(first) == picture_content(again)
    assert len({picture_content(each) for each in (first, other, smaller)}) == 3


def test_slots_of_a_picture_are_told_by_its_content():
    debug = subject("qwen2_vl_debug")
    samples = [debug.prompt(ask_about([picture(n)], "hi")) for n in (0, 1)]
    keys = [token_keys(sample, [bytes([n])]) for n, sample in enumerate(samples)]
    assert samples[0].token_ids == samples[1].token_ids
    span = samples[0].spans[0]
    assert common_length(*keys) == span.start
    assert keys[0][span.stop :] == keys[1][span.stop :]


def test_tokens_that_see_each_other_are_told_by_all_of_them():
    debug = subject("paligemma_debug")
    samples = [debug.prompt(ask_about([picture(0)], text)) for text in ("hi", "ho")]
    keys = [token_keys(sample, [b"same"]) for sample in samples]
    assert common_length(*keys) == 0
