from collections import Counter
from functools import cache
from itertools import pairwise
from random import Random

import pytest

from triptych.data.worlds.naming import ATTRIBUTES
from triptych.data.worlds.objects import HELD_OUT
from triptych.data.worlds.pairs.albums import marks
from triptych.data.worlds.pairs.words import INVENTED, INVENTED_UNSEEN, ORDINALS, PHRASES
from triptych.data.worlds.pairs.world import Pairs, contrast_albums
from triptych.data.worlds.scenes.facts import is_held_out
from triptych.data.worlds.world import SampleId, World, draw_from, draw_pair, facts_of

WORLD = Pairs()


def sample_id(number, split="train", **other):
    return SampleId(world="pairs", split=split, number=number, **other)


@cache
def albums(count, split="train", **other):
    return [facts_of(WORLD, sample_id(number, split, **other)) for number in range(count)]


@cache
def questions(count, split="train"):
    """So many albums and all that is asked of them."""
    return [
        (album, question)
        for number, album in enumerate(albums(150, split)[:count])
        for question in WORLD.ask(album, Random(number), split)
    ]


def test_it_is_a_world():
    assert isinstance(WORLD, World)


def test_equal_ids_give_equal_pixels_and_questions():
    for number in range(8):
        one, other = (draw_from(WORLD, sample_id(number)) for _ in range(2))
        pixels = [[p.tobytes() for p in sample.drawing.pictures] for sample in (one, other)]
        assert pixels[0] == pixels[1]
        assert one.questions == other.questions


def test_pictures_of_an_album_have_one_size():
    seen = set()
    for album in albums(30):
        sizes = {picture.size for picture in WORLD.render(album).pictures}
        assert len(sizes) == 1 and 2 <= len(album.scenes) <= 4
        seen |= sizes
    assert seen == {(140, 140), (168, 168)}


def test_every_kind_is_asked():
    kinds = Counter(question.kind for _, question in questions(150))
    assert set(kinds) == {f"pairs/{kind}" for kind in PHRASES}
    assert min(kinds.values()) > 20
    assert sum(kinds.values()) > 4.5 * 150


def test_the_same_objects_are_there_half_the_time_and_never_the_same_pixels():
    answers = Counter()
    for album in albums(150):
        if album.mode == "before_after":
            answers[album.is_same] += 1
            one, other = WORLD.render(album).pictures
            assert one.tobytes() != other.tobytes()
            first, second = (sorted(map(facts, scene.things)) for scene in album.scenes)
            assert (first == second) == album.is_same
    assert abs(answers[True] - answers[False]) < 4 * answers.total() ** 0.5


def facts(thing):
    return (*(getattr(thing, key) for key in ATTRIBUTES), thing.x, thing.y)


@pytest.mark.parametrize("kind", [*ATTRIBUTES, "added", "removed", "swapped"])
def test_differences_are_said_in_one_way(kind):
    expected = {
        "added": ("a", "was added"),
        "removed": ("the", "was removed"),
        "swapped": ("the", "swapped places"),
    }.get(kind, ("the", " became "))
    found = [q.answer[0] for _, q in questions(150) if q.tags.get("change") == kind]
    assert found and all(s.startswith(expected[0]) and expected[1] in s for s in found)


def test_which_picture_is_the_only_one():
    for album, question in questions(150):
        if question.kind == "pairs/which":
            index = ORDINALS.index(question.answer[0].removeprefix("the "))
            assert any(
                f" {wanted.phrase}" in f" {question.text.lower()}" for wanted in marks(album, index)
            )


# -- few shots ------------------------------------------------------------------------------------


def few_shots(count, split="train", **other):
    return [album for album in albums(count, split, **other) if album.mode == "few_shot"]


def test_examples_show_both_names_and_only_the_rule_explains_them():
    for album in few_shots(150):
        labels, things = album.labels(), [scene.things[0] for scene in album.scenes]
        assert set(labels[:2]) == {word for _, word in album.rule.words}
        for example, label in zip(things[:-1], labels, strict=False):
            for key in ATTRIBUTES:
                # What the last shares with an example of the other name, all pictures share.
                if label != labels[-1] and getattr(example, key) == getattr(things[-1], key):
                    assert len({getattr(thing, key) for thing in things}) == 1
        assert any(
            getattr(one, album.rule.attribute) != getattr(other, album.rule.attribute)
            for one, other in pairwise(things)
        )


def test_the_name_that_is_asked_for_is_not_given_away():
    for album, question in questions(150):
        if question.kind == "pairs/few_shot":
            assert f"{len(album.scenes)} is {album.label}" not in question.text
            assert question.answer == (album.label,)


def test_invented_words_for_testing_are_others():
    assert not set(INVENTED) & set(INVENTED_UNSEEN)
    for split, known in (("train", INVENTED), ("test", INVENTED_UNSEEN)):
        words = {word for album in few_shots(40, split) for _, word in album.rule.words}
        assert words <= set(known)


# -- splits, twins and variants -------------------------------------------------------------------


def test_held_out_pairs_are_shown_in_combinations_only():
    for variant in ("", "twin"):
        for album in albums(50, variant=variant):
            assert not any(scene.has_held_out for scene in album.scenes)
    for album in albums(40, "combinations"):
        if album.mode == "few_shot":
            assert is_held_out(album.scenes[-1].things[0])
        else:
            assert all(scene.has_held_out for scene in album.scenes)
    names = {f"{colour} {shape}" for colour, shape in HELD_OUT}
    for _, question in questions(150):
        assert not any(name in f"{question.text} {question.answer}" for name in names)


@pytest.mark.parametrize("split", ["train", "combinations"])
def test_a_twin_has_another_answer_to_the_same_words(split):
    kinds = Counter()
    for album, twin in zip(albums(50, split), albums(50, split, variant="twin"), strict=True):
        assert album.mode == twin.mode and album != twin
        same = [one == other for one, other in zip(album.scenes, twin.scenes, strict=True)]
        assert same.count(False) == (2 if album.mode == "collection" else 1)
        for seed in range(3):
            one, other = contrast_albums(album, twin, Random(seed), split)
            assert one.text == other.text and one.answer != other.answer
            kinds[one.kind] += 1
    assert set(kinds) == {"pairs/same", "pairs/difference", "pairs/which", "pairs/few_shot"}


def test_a_variant_looks_different_and_keeps_every_answer():
    for number in range(20):
        album, varied = (
            facts_of(WORLD, sample_id(number, variant=variant)) for variant in ("", "nuisance-1")
        )
        one, other = (WORLD.render(facts).pictures for facts in (album, varied))
        assert all(a.tobytes() != b.tobytes() for a, b in zip(one, other, strict=True))
        assert WORLD.ask(album, Random(0), "dev") == WORLD.ask(varied, Random(0), "dev")


def test_a_pair_is_drawn_and_its_truth_is_plain():
    pair = draw_pair(WORLD, sample_id(1, "test"))
    assert pair.question.text == pair.twin_question.text
    truth = draw_from(WORLD, sample_id(1, "test")).truth
    assert len(truth["pictures"]) == len(pair.drawing.pictures)
