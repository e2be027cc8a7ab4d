"""Which words are held out depends on the words alone."""

from triptych.data.worlds.held_out import listed, pair_is_held_out, stable_share, words_for

WORDS = listed("Oslo Rome Paris Lima Cairo Delhi Tokyo Seoul")


def test_shares_are_the_same_everywhere():
    # Worked out once; another number here would move words between the splits.
    assert round(stable_share("Oslo"), 6) == 0.67321
    assert 0 <= stable_share("") < 1


def test_the_test_has_words_of_its_own():
    train, test = words_for(WORDS, "train"), words_for(WORDS, "test")
    assert len(test) == 2 and len(train) == 6
    assert {*train, *test} == set(WORDS)


def test_other_splits_share_the_words_of_training():
    assert words_for(WORDS, "dev") == words_for(WORDS, "combinations") == words_for(WORDS, "train")


def test_the_order_of_a_list_does_not_matter():
    assert words_for(WORDS[::-1], "test") == words_for(WORDS, "test")


def test_a_fifth_of_all_pairs_is_held_out():
    pairs = [(str(a), str(b)) for a in range(40) for b in range(40)]
    share = sum(pair_is_held_out(*pair) for pair in pairs) / len(pairs)
    assert 0.17 < share < 0.23


def test_lists_are_written_as_texts():
    assert listed("a b\n c") == ("a", "b", "c")
    assert listed("a b,c", ",") == ("a b", "c")
