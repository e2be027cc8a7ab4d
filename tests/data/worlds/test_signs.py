"""Signs can be read, are where they are said to be, and their twins differ in one fact."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from random import Random

import numpy as np
import pytest
from PIL import Image

from triptych.data.worlds import world
from triptych.data.worlds.fonts import FONTS
from triptych.data.worlds.objects import COLOURS, box_of
from triptych.data.worlds.question import Boxes, Words
from triptych.data.worlds.signs import Signs
from triptych.data.worlds.signs.boards import (
    BOARD_SHAPES,
    Sign,
    capital_height,
    colours_of,
    contrast,
    draw_sign,
    fits,
    font_size,
    inks_on,
)
from triptych.data.worlds.signs.layout import PLANTED
from triptych.data.worlds.signs.questions import PHRASES, pointers
from triptych.data.worlds.signs.words import (
    WORDS,
    absent_text,
    clashes,
    held_out,
    make_text,
    misspell,
    near_words,
)
from triptych.data.worlds.world import SampleId, World, draw_from, draw_pair

WORLD = Signs()


def ids(count, split="train", start=0, variant=""):
    for number in range(start, start + count):
        yield SampleId(world="signs", split=split, number=number, variant=variant)


@lru_cache(maxsize=1024)
def sample(one):
    return draw_from(WORLD, one)


@lru_cache(maxsize=4096)
def facts_of(one):
    return world.facts_of(WORLD, one)


def all_facts(count, split="train"):
    return [facts_of(one) for one in ids(count, split)]


def pixels(picture):
    return np.asarray(picture).astype(int)


# -- ids, twins and variants ----------------------------------------------------------------------


def test_signs_are_a_world():
    assert isinstance(WORLD, World)


def test_the_same_id_gives_the_same_pixels_and_questions():
    for one in ids(10):
        first, second = draw_from(WORLD, one), draw_from(WORLD, one)
        assert first.questions == second.questions
        assert first.truth == second.truth
        assert pixels(first.drawing.pictures[0]).tolist() == (
            pixels(second.drawing.pictures[0]).tolist()
        )


def test_pictures_are_multiples_of_28_pixels():
    sizes = {draw_from(WORLD, one).drawing.pictures[0].size for one in ids(40)}
    assert len(sizes) > 3
    assert all(side % 28 == 0 for size in sizes for side in size)


@pytest.mark.parametrize("split", ["train", "test", "combinations"])
def test_a_pair_is_asked_the_same_words_and_answers_differently(split):
    for one in ids(40, split):
        pair = draw_pair(WORLD, one)
        assert pair.question.text == pair.twin_question.text
        assert pair.question.truth != pair.twin_question.truth
        assert pair.question.answer != pair.twin_question.answer


def test_a_twin_differs_in_the_text_or_the_colour_of_one_sign():
    seen = Counter()
    for one in ids(100):
        facts = facts_of(one)
        twin = facts_of(replace(one, variant="twin"))
        assert replace(twin, signs=facts.signs) == facts
        (pair,) = [
            (ours, theirs)
            for ours, theirs in zip(facts.signs, twin.signs, strict=True)
            if ours != theirs
        ]
        ours, theirs = pair
        if ours.text != theirs.text:
            kept = replace(theirs, text=ours.text, text_kind=ours.text_kind)
            letters = sum(a != b for a, b in zip(ours.text, theirs.text, strict=False))
            near = len(ours.text) == len(theirs.text) and letters == 1
            seen["one letter" if near else "text"] += 1
        else:
            kept = replace(theirs, colour=ours.colour, board=ours.board)
            assert ours.colour != theirs.colour
            seen["colour"] += 1
        assert kept == ours
    assert min(seen[key] for key in ("one letter", "text", "colour")) >= 20


def test_a_twin_differs_in_pixels_of_one_sign_only():
    for one in ids(30):
        facts = replace(facts_of(one), grain=0)
        twin = replace(facts_of(replace(one, variant="twin")), grain=0)
        ((ours, _),) = [
            pair for pair in zip(facts.signs, twin.signs, strict=True) if pair[0] != pair[1]
        ]
        before, after = (pixels(WORLD.render(each).pictures[0]) for each in (facts, twin))
        rows, cols = np.nonzero((before != after).any(-1))
        assert rows.size
        assert ours.box.left - 1.5 <= cols.min() and cols.max() + 1 <= ours.box.right + 1.5
        assert ours.box.top - 1.5 <= rows.min() and rows.max() + 1 <= ours.box.bottom + 1.5


def test_a_variant_keeps_every_answer_and_no_picture():
    for one in ids(25):
        variant = replace(one, variant="nuisance-1")
        facts, varied = facts_of(one), facts_of(variant)
        asked = WORLD.ask(facts, Random(5), "train")
        assert asked == WORLD.ask(varied, Random(5), "train")
        assert WORLD.describe(facts)["signs"] == WORLD.describe(varied)["signs"]
        before, after = (WORLD.render(each).pictures[0] for each in (facts, varied))
        assert before.tobytes() != after.tobytes()


# -- what is drawn --------------------------------------------------------------------------------


def drawn_area(sign, size):
    """Where a sign changes the pixels of a ground unlike it: rows, columns."""
    ground = (255, 0, 255)
    canvas = Image.new("RGB", size, ground)
    draw_sign(canvas, sign)
    return np.nonzero((pixels(canvas) != ground).any(-1))


def test_a_sign_fills_its_box():
    for facts in all_facts(40):
        for sign in facts.signs:
            rows, cols = drawn_area(sign, (facts.width, facts.height))
            drawn = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
            box = (sign.box.left, sign.box.top, sign.box.right, sign.box.bottom)
            assert drawn == pytest.approx(box, abs=1.5), sign


def test_signs_lie_in_the_picture_and_apart_from_each_other_and_from_objects():
    for facts in all_facts(150):
        boxes = [sign.box for sign in facts.signs]
        for index, box in enumerate(boxes):
            assert box.left >= 1 and box.right <= facts.width - 1
            assert box.top >= 1 and box.bottom <= facts.height - 1
            others = boxes[:index] + [box_of(thing) for thing in facts.things]
            assert not any(box.intersection(other) for other in others)


def test_the_text_stays_on_the_board():
    for facts in all_facts(40) + [facts_of(one) for one in ids(40, variant="twin")]:
        for sign in facts.signs:
            size = (facts.width, facts.height)
            bare, written = (Image.new("RGB", size, (255, 0, 255)) for _ in range(2))
            draw_sign(bare, sign, has_text=False)
            draw_sign(written, sign)
            text = (pixels(bare) != pixels(written)).any(-1)
            # Neither the edge nor what lies around.
            inner = (pixels(bare) == sign.board).all(-1)
            assert text.any()
            assert not (text & ~inner).any(), sign


def test_capitals_are_as_high_as_tagged():
    for name in FONTS:
        for height in range(12, 41):
            measured = capital_height(name, font_size(name, height))
            assert height - 1 <= measured <= height, (name, height)


def test_text_is_legible_on_every_colour():
    for colour, rgb in COLOURS.items():
        assert inks_on(colour)
        assert min(contrast(ink, rgb) for ink in inks_on(colour)) >= 3.2
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    for facts in all_facts(40) + [facts_of(one) for one in ids(40, variant="twin")]:
        assert all(contrast(sign.ink, sign.board) > 2.8 for sign in facts.signs)


def test_a_longer_text_does_not_fit():
    sign = plain("OPEN", 100, 50)
    assert fits("SHUT", sign)
    assert not fits("MAXIMUM WAGON", sign)


# -- what is written ------------------------------------------------------------------------------


def words_on(facts):
    return [sign.text.lower() for each in facts for sign in each.signs]


def test_words_of_the_test_never_occur_in_training():
    tested = {one for one in WORDS if held_out(one)}
    assert 0.1 < len(tested) / len(WORDS) < 0.2
    for variant in ("", "twin"):
        for split in ("train", "dev", "combinations"):
            seen = words_on(facts_of(one) for one in ids(100, split, variant=variant))
            assert not tested & set(seen)
        seen = words_on(facts_of(one) for one in ids(150, "test", variant=variant))
        assert len(tested & set(seen)) > 30
        assert not (set(WORDS) - tested) & set(seen)


def test_questions_name_no_word_of_the_other_side():
    tested = {one for one in WORDS if held_out(one)}
    for split, foreign in (("train", tested), ("test", set(WORDS) - tested)):
        for one in ids(100, split):
            for question in sample(one).questions:
                if '"' in question.text:
                    assert question.text.split('"')[1].lower() not in foreign


def test_a_third_of_the_texts_are_no_words():
    kinds = Counter(sign.text_kind for facts in all_facts(300) for sign in facts.signs)
    assert kinds["random"] / kinds.total() == pytest.approx(0.35, abs=0.05)
    assert kinds["number"] / kinds.total() == pytest.approx(0.26, abs=0.05)


def test_texts_keep_to_their_length_and_kind():
    rng = Random(0)
    for longest in (4, 6, 10):
        for kind in ("word", "number", "random"):
            texts = [make_text(kind, longest, False, rng) for _ in range(300)]
            assert max(map(len, texts)) == (min(longest, 6) if kind == "number" else longest)
            assert all(any(c.isdigit() for c in text) for text in texts if kind == "number")
    assert all(text.lower() in WORDS for text in (make_text("word", 10, False, rng),) * 50)


def test_a_misspelling_changes_one_letter_and_not_to_one_that_looks_alike():
    rng = Random(1)
    for text in ("OPEN", "Ill", "$10.55", "B-204", "at"):
        for _ in range(50):
            other = misspell(text, False, rng)
            ((old, new),) = [pair for pair in zip(text, other, strict=True) if pair[0] != pair[1]]
            assert old.isdigit() == new.isdigit() and old.isupper() == new.isupper()
            assert {old.lower(), new.lower()} not in ({"i", "l"}, {"i", "j"}, {"o", "d"})


def test_near_words_are_real_and_in_the_same_case():
    assert "COOK" in near_words("BOOK", False)
    assert "Cook" in near_words("Bxok", False) + near_words("Book", False)
    assert near_words("Xqzzv", False) == ()


def test_texts_clash_when_one_is_part_of_the_other():
    assert clashes("12", ["A", "12:45"])
    assert clashes("Onion", ["on"])
    assert not clashes("12", ["A", "21"])


def test_no_text_of_a_picture_is_part_of_another():
    for facts in all_facts(150) + [facts_of(one) for one in ids(150, variant="twin")]:
        texts = [sign.text for sign in facts.signs]
        assert not any(clashes(text, texts[:index]) for index, text in enumerate(texts))


def test_board_shapes_have_colours_of_their_own_in_combinations():
    for shape in BOARD_SHAPES:
        trained, kept = colours_of(shape, "train"), colours_of(shape, "combinations")
        assert trained and kept and not set(trained) & set(kept)
    for facts in all_facts(40, "combinations"):
        assert all(one.colour in colours_of(one.shape, "combinations") for one in facts.signs)


def test_a_prior_plants_what_a_colour_says():
    assert not any(held_out(text) for text in PLANTED.values())
    for prior, low, high in ((1.0, 1.0, 1.0), (0.5, 0.35, 0.65), (0.0, 0.0, 0.02)):
        facts = [WORLD.compose(Random(number), "test", prior) for number in range(80)]
        signs = [sign for each in facts for sign in each.signs]
        share = sum(sign.text == PLANTED[sign.colour] for sign in signs) / len(signs)
        assert low <= share <= high


# -- what is asked --------------------------------------------------------------------------------


def plain(text, x, y, colour="red"):
    return Sign(
        text=text,
        text_kind="word",
        shape="plate",
        colour=colour,
        board=COLOURS[colour],
        ink=(250, 250, 250),
        font="sans",
        text_height=14,
        width=70,
        height=30,
        x=x,
        y=y,
    )


def test_signs_are_pointed_out_by_colour_and_side():
    one, two, three = plain("A", 50, 30), plain("B", 60, 80, "blue"), plain("C", 150, 90, "blue")
    assert pointers(one, [one, two, three]) == ["red sign", "sign at the top"]
    assert pointers(two, [one, two, three]) == []
    assert pointers(three, [one, two, three]) == ["sign on the right"]


def test_answers_agree_with_the_truth():
    for one in ids(120):
        drawn = sample(one)
        signs = {each["text"]: each for each in drawn.truth["signs"]}
        for question in drawn.questions:
            quoted = question.text.split('"')[1] if '"' in question.text else ""
            if question.kind in ("signs/read", "signs/read_one"):
                assert question.answer[0] in signs
                assert question.tags["length"] == len(question.answer[0])
                assert question.tags["height"] == signs[question.answer[0]]["height"]
            elif question.kind == "signs/existence":
                assert question.answer == (("yes" if quoted in signs else "no"),)
            elif question.kind == "signs/count":
                assert question.answer == (str(len(signs)),)
            elif question.kind == "signs/colour":
                assert question.truth == Words((signs[quoted]["colour"],))
            else:
                assert isinstance(question.truth, Boxes)
                ((label, box),) = question.truth.boxes
                assert label == quoted
                assert signs[quoted]["box"] == [
                    round(value, 2) for value in (box.left, box.top, box.right, box.bottom)
                ]


def test_a_pointer_leads_to_the_sign_that_is_read():
    words = {"left": ("x", 1), "right": ("x", -1), "top": ("y", 1), "bottom": ("y", -1)}
    num_checked = 0
    for one in ids(100):
        facts = facts_of(one)
        for question in sample(one).questions:
            side = next((word for word in words if f" {word}" in question.text), None)
            if question.kind != "signs/read_one" or side is None:
                continue
            axis, sign = words[side]
            first = min(facts.signs, key=lambda each: sign * getattr(each, axis))
            assert question.answer == (first.text,)
            num_checked += 1
    assert num_checked > 15


def test_yes_and_no_are_balanced_and_most_negatives_are_near():
    answers, negatives = Counter(), Counter()
    for one in ids(100):
        for question in sample(one).questions:
            if question.kind == "signs/existence":
                answers[question.answer] += 1
                negatives[question.tags.get("negative")] += 1
    assert answers[("yes",)] == answers[("no",)]
    assert negatives["one letter"] > negatives["same kind"] > 15


def test_absent_texts_are_words_about_as_often_as_present_ones():
    # Or yes could be told from no by whether the text is a word.
    shares = {"yes": [], "no": []}
    for one in ids(200):
        for question in sample(one).questions:
            if question.kind == "signs/existence":
                is_word = question.text.split('"')[1].lower() in WORDS
                shares[question.answer[0]].append(is_word)
    yes, no = (sum(each) / len(each) for each in shares.values())
    assert yes == pytest.approx(no, abs=0.08)


def test_absent_texts_are_absent():
    rng = Random(2)
    for _ in range(200):
        text, likeness = absent_text("OPEN", "word", ["OPEN", "OVEN", "12"], False, rng)
        assert not clashes(text, ["OPEN", "OVEN", "12"])
        assert likeness in ("one letter", "same kind")


@pytest.mark.parametrize("split, held", [("dev", False), ("test", True)])
def test_six_to_twelve_questions_in_the_words_of_their_split(split, held):
    for one in ids(40, split):
        questions = sample(one).questions
        assert 6 <= len(questions) <= 12
        for question in questions:
            assert question.kind in PHRASES
            ways = PHRASES[question.kind]
            starts = [way.split("{")[0] for way in (ways.unseen if held else ways.seen)]
            assert any(question.text.startswith(start) for start in starts)


def test_every_kind_has_ten_wordings_and_three_held_out():
    for ways in PHRASES.values():
        assert len(set(ways.seen)) >= 10 and len(set(ways.unseen)) >= 3
