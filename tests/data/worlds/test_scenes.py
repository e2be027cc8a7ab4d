import re
from collections import Counter
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest

from triptych.data.worlds.naming import ATTRIBUTES
from triptych.data.worlds.objects import HELD_OUT, box_of, draw_things
from triptych.data.worlds.question import Boxes, BoxPart, Places, PointPart, Words
from triptych.data.worlds.scenes import Scenes
from triptych.data.worlds.scenes.facts import PRIOR, is_held_out, relations
from triptych.data.worlds.scenes.places import ask_relation
from triptych.data.worlds.scenes.questions import ask_comparison, ask_existence
from triptych.data.worlds.scenes.twins import contrast_scenes
from triptych.data.worlds.scenes.words import PHRASES
from triptych.data.worlds.wording import SPLITS
from triptych.data.worlds.world import SampleId, World, draw_from, draw_pair, facts_of
from triptych.geometry import inside

WORLD = Scenes()


def sample_id(number, split="train", **other):
    return SampleId(world="scenes", split=split, number=number, **other)


@cache
def scenes(count, split="train", **other):
    return [facts_of(WORLD, sample_id(number, split, **other)) for number in range(count)]


def questions(count, split="train"):
    """So many scenes and all that is asked of them."""
    for number, scene in enumerate(scenes(count, split)):
        for question in WORLD.ask(scene, Random(number), split):
            yield scene, question


def test_it_is_a_world():
    assert isinstance(WORLD, World)


def test_equal_ids_give_equal_pixels_and_questions():
    for number in range(10):
        one, other = (draw_from(WORLD, sample_id(number, "test")) for _ in range(2))
        assert one.drawing.pictures[0].tobytes() == other.drawing.pictures[0].tobytes()
        assert one.questions == other.questions
        assert one.truth == other.truth
        assert draw_from(WORLD, sample_id(number, "dev")).truth != one.truth


def test_pictures_have_the_sizes_that_patches_divide():
    sizes = {WORLD.render(scene).pictures[0].size for scene in scenes(60)}
    assert sizes == {(224, 224), (252, 196), (196, 252)}


def test_all_numbers_of_objects_are_about_as_frequent():
    counts = Counter(len(scene.things) for scene in scenes(200))
    assert set(counts) == set(range(1, 10))
    assert min(counts.values()) > 10


def test_objects_stay_visible_and_inside():
    for scene in scenes(40):
        width, height = scene.size
        for index, thing in enumerate(scene.things):
            box = box_of(thing)
            assert box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
            assert visible_share(scene, index) > 0.69, scene


def visible_share(scene, index):
    """Of the pixels of one thing, those that later things leave."""
    plain = replace(scene.background, kind="plain", first=(1, 2, 3))

    def covered(things):
        return (np.asarray(draw_things(scene.size, plain, things)) != (1, 2, 3)).any(2)

    alone, later = covered(scene.things[index : index + 1]), covered(scene.things[index + 1 :])
    return 1 - (alone & later).sum() / alone.sum()


# -- splits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_held_out_pairs_are_shown_and_named_in_combinations_only(split):
    names = {f"{colour} {shape}" for colour, shape in HELD_OUT}
    for variant in ("", "twin"):
        for scene in scenes(100, split, variant=variant):
            assert not scene.has_held_out
    for _, question in questions(40, split):
        said = f"{question.text} {question.answer}"
        assert not any(name in said for name in names), said


def test_every_picture_of_combinations_shows_a_held_out_pair():
    for variant in ("", "twin"):
        assert all(s.has_held_out for s in scenes(100, "combinations", variant=variant))
    tagged = Counter(q.tags.get("held_out") for _, q in questions(40, "combinations"))
    assert tagged[True] > 50


def test_a_prior_plants_colours():
    def share(prior):
        things = [thing for scene in scenes(100, prior=prior) for thing in scene.things]
        return np.mean([PRIOR[thing.shape] == thing.colour for thing in things])

    assert share(0.0) < 0.18
    assert share(0.8) > 0.75
    assert not set((colour, shape) for shape, colour in PRIOR.items()) & HELD_OUT


def test_wordings_are_kept_apart():
    for split in SPLITS:
        for _, question in questions(10, split):
            words = question.text.lower()
            assert "{" not in words and "  " not in words
    assert all(len(ways.seen) >= 10 and len(ways.unseen) >= 3 for ways in PHRASES.values())


# -- answers --------------------------------------------------------------------------------------


def test_every_kind_is_asked_and_most_pictures_get_many():
    kinds, numbers = Counter(), []
    for number, scene in enumerate(scenes(60)):
        asked = WORLD.ask(scene, Random(number), "train")
        kinds.update(question.kind for question in asked)
        numbers.append(len(asked))
    assert set(kinds) == {f"scenes/{kind.split('/')[0]}" for kind in PHRASES}
    assert min(kinds.values()) > 40
    assert np.mean(numbers) > 10


@cache
def existence_questions():
    asked = (ask_existence(scenes(200)[n % 200], Random(n), "train") for n in range(2000))
    return [question for question in asked if question]


def test_yes_and_no_are_balanced_in_each_family():
    answers = Counter()
    for question in existence_questions():
        answers[question.tags["family"], question.answer] += 1
        assert question.tags["negatives"] == (
            "none" if question.answer == ("yes",) else question.tags["family"]
        )
    for seed in range(400):
        scene, rng = scenes(200)[seed % 200], Random(seed)
        for question in (ask_relation(scene, rng, "train"), ask_comparison(scene, rng, "train")):
            if question and question.answer in YES.values():
                answers[question.tags["form"], question.answer] += 1
    for family in ("random", "popular", "adversarial", "yesno", "more", "larger"):
        yes, no = answers[family, ("yes",)], answers[family, ("no",)]
        assert abs(yes - no) < 4 * (yes + no) ** 0.5, family
        assert yes + no > 50


def test_held_out_pairs_are_as_often_absent_as_present():
    answers = Counter()
    for seed in range(400):
        scene = scenes(100, "combinations")[seed % 100]
        question = ask_existence(scene, Random(seed), "combinations")
        if question and question.tags["held_out"]:
            answers[question.answer] += 1
    yes, no = answers["yes",], answers["no",]
    assert abs(yes - no) < 4 * (yes + no) ** 0.5
    assert yes + no > 50


def test_words_do_not_give_away_what_is_there():
    """As often yes as no for each colour and each shape that is asked for."""
    answers = Counter()
    for question in existence_questions():
        for value in {*re.findall("[a-z]+", question.text)}:
            answers[value, question.answer] += 1
    for value in ("red", "cyan", "circle", "heart", "solid", "striped"):
        yes, no = answers[value, ("yes",)], answers[value, ("no",)]
        assert 0.33 < yes / (yes + no) < 0.67, value


def test_adversarial_negatives_are_like_something_present_but_for_one_attribute():
    seen = 0
    for scene, question in questions(70):
        if question.tags.get("negatives") != "adversarial":
            continue
        seen += 1
        words = set(map(singular, re.findall("[a-z]+", question.text.lower())))
        wanted = {key: words & VALUES_OF[key] for key in ATTRIBUTES if words & VALUES_OF[key]}
        wrong = [
            sum(getattr(thing, key) not in values for key, values in wanted.items())
            for thing in scene.things
        ]
        assert len(wanted) >= 2 and min(wrong) == 1, question
    assert seen > 20


def test_counts_and_existence_hold_in_the_list_of_objects():
    """Answered once more, from the words of the question alone."""
    for scene, question in questions(70):
        if question.kind not in ("scenes/count", "scenes/existence"):
            continue
        asked = re.findall("[a-z]+", question.text.lower())
        found = sum(
            all(
                value not in VALUES_OF[key] or value == getattr(thing, key)
                for key in ATTRIBUTES
                for value in map(singular, asked)
            )
            for thing in scene.things
        )
        expected = (str(found),) if question.kind == "scenes/count" else YES[found > 0]
        assert question.answer == expected, (question, scene)


YES = {True: ("yes",), False: ("no",)}
VALUES_OF = {
    key: {getattr(thing, key) for scene in scenes(100, "combinations") for thing in scene.things}
    for key in ATTRIBUTES
}


def singular(word):
    return "cross" if word == "crosses" else word.removesuffix("s") if word != "cross" else word


def test_places_are_those_of_the_thing_that_is_meant():
    for scene, question in questions(60):
        boxes = {box_of(thing) for thing in scene.things}
        match question.truth:
            case Boxes(wanted):
                assert question.answer == tuple(BoxPart(box, label) for label, box in wanted)
                assert {box for _, box in wanted} <= boxes
            case Places(outlines):
                (part,) = question.answer
                assert isinstance(part, PointPart)
                assert inside(part.point, outlines[0])
            case Words(accepted):
                assert question.answer == accepted[:1]


def test_relations_are_only_asked_where_they_are_clear():
    one, other = scenes(30)[3].things[:2]
    near = replace(other, x=one.x + 10, y=one.y - 10)
    assert relations(one, near, (224, 224)) == []
    far = replace(other, x=one.x + 90, y=one.y - 10)
    assert relations(one, far, (224, 224)) == ["left"]
    assert relations(far, one, (224, 224)) == ["right"]
    below = replace(other, x=one.x - 80, y=one.y + 90)
    assert relations(below, one, (224, 224)) == ["left", "below"]


# -- twins and variants ---------------------------------------------------------------------------


def test_a_twin_differs_in_one_fact_and_the_answers_with_it():
    kinds = Counter()
    for number in range(150):
        scene, twin = (facts_of(WORLD, sample_id(number, variant=v)) for v in ("", "twin"))
        gone, come = set(scene.things) - set(twin.things), set(twin.things) - set(scene.things)
        change = twin.change
        assert scene.background == twin.background and scene.size == twin.size
        expected = {
            "removed": (1, 0),
            "added": (0, 1),
            "swapped": (2, 2),
        }
        assert (len(gone), len(come)) == expected.get(change.kind, (1, 1))
        if change.kind in ATTRIBUTES:
            differ = [k for k in ATTRIBUTES if getattr(*gone, k) != getattr(*come, k)]
            assert differ == [change.kind]
        kinds[change.kind] += 1
        for seed in range(3):
            pair = contrast_scenes(scene, twin, change, Random(seed), "train")
            assert pair[0].text == pair[1].text and pair[0].kind == pair[1].kind
            assert pair[0].answer != pair[1].answer
    assert set(kinds) == {*ATTRIBUTES, "removed", "added", "swapped"}
    assert min(kinds.values()) > 5


def test_a_pair_is_drawn_with_one_question():
    pair = draw_pair(WORLD, sample_id(3, "test"))
    assert pair.drawing.pictures[0].tobytes() != pair.twin.pictures[0].tobytes()
    assert pair.question.text == pair.twin_question.text


def test_a_variant_looks_different_and_keeps_every_answer():
    for number in range(30):
        scene = facts_of(WORLD, sample_id(number))
        varied = facts_of(WORLD, sample_id(number, variant="nuisance-2"))
        one, other = (WORLD.render(facts).pictures[0].tobytes() for facts in (scene, varied))
        assert one != other
        asked = WORLD.ask(scene, Random(0), "test")
        assert asked == WORLD.ask(varied, Random(0), "test")


def test_the_truth_is_plain_and_complete():
    sample = draw_from(WORLD, sample_id(5, "combinations", variant="twin"))
    assert sample.truth["change"]["kind"]
    assert len(sample.truth["objects"]) >= 1
    first = sample.truth["objects"][0]
    assert set(ATTRIBUTES) <= set(first) and len(first["box"]) == 4
    scene = facts_of(WORLD, sample_id(5, "combinations", variant="twin"))
    assert [o["held_out"] for o in sample.truth["objects"]] == [*map(is_held_out, scene.things)]
