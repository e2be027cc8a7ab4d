"""Drafts repeat what followed the last words before, found as a plain search finds it."""

import random
import time

import pytest

from triptych.generate.lookup import Lookup, draft

SLOT = 99


def searched(token_ids: list[int], most: int, longest: int) -> list[int]:
    """The same by looking at every place, from the longest n-gram and the latest place on."""
    for length in range(min(longest, len(token_ids)), 0, -1):
        ngram = token_ids[-length:]
        if SLOT in ngram:
            continue
        for start in range(len(token_ids) - length - 1, -1, -1):
            follows = token_ids[start + length]
            if token_ids[start : start + length] == ngram and follows != SLOT:
                grown = list(token_ids)
                for index in range(most):
                    grown.append(grown[start + length + index])
                drafted = grown[len(token_ids) :]
                return drafted[: drafted.index(SLOT)] if SLOT in drafted else drafted
    return []


def test_what_followed_the_last_three_tokens_is_drafted():
    #           v  v  v                     v  v  v
    context = [1, 2, 3, 4, 5, 6, 7, 2, 3, 8, 1, 2, 3]
    assert draft(context, 3) == [4, 5, 6]
    assert draft(context, 3, longest_ngram=2) == [8, 1, 2]  # the latest place of 2, 3


def test_fewer_tokens_are_matched_where_three_are_new():
    assert draft([5, 6, 7, 9, 6], 2) == [7, 9]
    assert draft([5, 6, 7, 9, 8], 2) == []
    assert draft([], 2) == draft([5], 2) == draft([5, 5], 0) == []


def test_a_loop_is_drafted_in_full():
    assert draft([1, 2, 1, 2], 5) == [1, 2, 1, 2, 1]
    assert draft([7, 7], 3) == [7, 7, 7]


def test_slots_of_pictures_are_neither_matched_nor_drafted():
    context = [1, 2, SLOT, SLOT, 3, 4, SLOT, SLOT, 1]
    assert draft(context, 4, slot_ids=(SLOT,)) == [2]
    assert draft([*context, 2], 4, slot_ids=(SLOT,)) == []
    assert draft(context[:-1], 4, slot_ids=(SLOT,)) == []
    assert draft(context[:-1], 4) == [3, 4, SLOT, SLOT]


@pytest.mark.parametrize("longest", [1, 2, 3, 5])
def test_it_finds_what_a_plain_search_finds(longest):
    rng = random.Random(longest)
    for _ in range(60):
        token_ids = [rng.choice([1, 2, 3, SLOT]) for _ in range(rng.randrange(30))]
        found = draft(token_ids, 6, longest, slot_ids=(SLOT,))
        assert found == searched(token_ids, 6, longest)


def test_a_sequence_that_grows_drafts_like_a_whole_one():
    rng = random.Random(0)
    lookup = Lookup([1, 2, 3], slot_ids=(SLOT,))
    for _ in range(60):
        lookup.push(rng.choice([1, 2, SLOT]))
        assert lookup.draft(4) == draft(lookup.token_ids, 4, slot_ids=(SLOT,))


def test_a_long_context_is_quick():
    """A draft at each of 10,000 tokens: 0.03 s of one core, 0.25 s with every type checked; to
    search all that stands before would take a minute."""
    rng = random.Random(0)
    started = time.process_time()
    lookup = Lookup()
    for _ in range(10_000):
        lookup.push(rng.randrange(30_000))
        lookup.draft(10)
    assert time.process_time() - started < 4
