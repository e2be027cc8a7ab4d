"""What is said of a clip is what its frames show, and twins differ in one fact."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from random import Random

import numpy as np
import pytest

from triptych.data.worlds import world
from triptych.data.worlds.backgrounds import Background
from triptych.data.worlds.clips import Clips
from triptych.data.worlds.clips.facts import SIZE, Mover, happenings, keep_apart
from triptych.data.worlds.clips.plots import PLANTED, change_movers, comparable
from triptych.data.worlds.clips.questions import PHRASES, all_askings
from triptych.data.worlds.objects import COLOURS, HELD_OUT, SHAPES, Thing, box_of, tilt
from triptych.data.worlds.world import SampleId, World, draw_from, draw_pair
from triptych.geometry import Point

WORLD = Clips()
GREY = Background("plain", (128, 128, 128), (128, 128, 128), 0)


def ids(count, split="train", variant=""):
    for number in range(count):
        yield SampleId(world="clips", split=split, number=number, variant=variant)


@lru_cache(maxsize=1024)
def sample(one):
    return draw_from(WORLD, one)


@lru_cache(maxsize=2048)
def facts_of(one):
    return world.facts_of(WORLD, one)


def frames(facts):
    return [picture.tobytes() for picture in WORLD.render(facts).pictures]


def thing(x=56.0, y=56.0, colour="red", shape="circle"):
    return Thing(
        shape=shape,
        colour=colour,
        rgb=COLOURS[colour],
        size="medium",
        texture="solid",
        x=x,
        y=y,
        radius=11.0,
    )


# -- ids, twins and variants ----------------------------------------------------------------------


def test_clips_are_a_world():
    assert isinstance(WORLD, World)


def test_the_same_id_gives_the_same_frames_and_questions():
    for one in ids(6):
        first, second = draw_from(WORLD, one), draw_from(WORLD, one)
        assert (first.questions, first.truth) == (second.questions, second.truth)
        ours, theirs = first.drawing.pictures, second.drawing.pictures
        assert [each.tobytes() for each in ours] == [each.tobytes() for each in theirs]


def test_clips_have_an_even_number_of_frames_at_two_a_second():
    lengths = set()
    for one in ids(20):
        drawing = sample(one).drawing
        assert drawing.fps == 2.0
        assert all(picture.size == (112, 112) for picture in drawing.pictures)
        lengths.add(len(drawing.pictures))
    assert lengths == {4, 6, 8}


@pytest.mark.parametrize("split", ["train", "test", "combinations"])
def test_a_pair_is_asked_the_same_words_and_answers_differently(split):
    for one in ids(15, split):
        pair = draw_pair(WORLD, one)
        assert pair.question.text == pair.twin_question.text
        assert pair.question.truth != pair.twin_question.truth
        assert pair.question.answer != pair.twin_question.answer


def test_a_twin_reverses_one_direction_or_swaps_an_order_or_two_speeds():
    seen = Counter()
    for one in ids(150):
        facts = facts_of(one)
        twin = facts_of(replace(one, variant="twin"))
        assert replace(twin, movers=facts.movers) == facts
        assert keep_apart(twin.movers)
        changed = [
            pair for pair in zip(facts.movers, twin.movers, strict=True) if pair[0] != pair[1]
        ]
        if len(changed) == 1:
            ((ours, theirs),) = changed
            assert {ours.direction, theirs.direction} in ({"left", "right"}, {"up", "down"})
            assert theirs.centre(theirs.starts) == ours.centre(ours.stops)
            seen["direction"] += 1
            continue
        (one_before, one_after), (two_before, two_after) = changed
        if one_before.step:
            assert one_after.step == two_before.step and two_after.step == one_before.step
            assert one_after.direction == one_before.direction
            seen["speed"] += 1
        else:
            assert one_after.appears == two_before.appears
            assert two_after.appears == one_before.appears
            seen["order"] += 1
    assert min(seen[key] for key in ("direction", "order", "speed")) >= 8


def test_kinds_of_contrast_all_occur():
    kinds = Counter()
    for one in ids(150):
        twin = facts_of(replace(one, variant="twin"))
        pair = WORLD.contrast(facts_of(one), twin, Random(one.number), "train")
        kinds[pair[0].kind] += 1
    assert {"clips/direction", "clips/order", "clips/speed", "clips/window"} <= set(kinds)


def test_a_variant_keeps_every_answer_and_no_picture():
    for one in ids(12):
        facts, varied = facts_of(one), facts_of(replace(one, variant="nuisance-2"))
        asked = WORLD.ask(facts, Random(3), "train")
        assert asked == WORLD.ask(varied, Random(3), "train")
        assert WORLD.describe(facts) == WORLD.describe(varied)
        assert not set(frames(facts)) & set(frames(varied))


# -- what the frames show -------------------------------------------------------------------------


def seen_centres(facts, mover):
    """Centres of gravity of what is drawn of one object alone; None in frames without it."""
    alone = replace(facts, movers=(mover,), background=GREY, grain=0)
    centres = []
    for picture in WORLD.render(alone).pictures:
        rows, cols = np.nonzero((np.asarray(picture) != 128).any(-1))
        centres.append((cols.mean(), rows.mean()) if rows.size else None)
    return centres


def way_of(centres):
    """The direction in which something drifts over the frames that show it."""
    (x, y), *_, (last_x, last_y) = [centre for centre in centres if centre is not None]
    across, down = last_x - x, last_y - y
    if max(abs(across), abs(down)) < 1:
        return "it does not move"
    assert min(abs(across), abs(down)) < 1
    if abs(across) > 1:
        return "right" if across > 0 else "left"
    return "down" if down > 0 else "up"


def test_directions_are_those_of_the_pixels():
    seen = Counter()
    for one in ids(40):
        facts = facts_of(one)
        by_name = {mover.name: mover for mover in facts.movers}
        for asking in all_askings(facts):
            if asking.kind == "clips/direction":
                centres = seen_centres(facts, by_name[asking.slots["name"]])
                assert asking.answer == (way_of(centres),)
                seen[asking.answer] += 1
    assert len(seen) == 5


def test_order_and_count_are_those_of_the_pixels():
    num_orders = 0
    for one in ids(40):
        facts = facts_of(one)
        shown = {
            mover.name: [centre is not None for centre in seen_centres(facts, mover)]
            for mover in facts.movers
        }
        for asking in all_askings(facts):
            if asking.kind == "clips/order":
                first = {name: shown[name].index(True) for name in asking.slots.values()}
                assert asking.answer == (f"the {min(first, key=first.__getitem__)}",)
                assert abs(np.subtract(*first.values())) >= 2
                num_orders += 1
            elif asking.kind == "clips/count_end":
                assert asking.answer == (str(sum(each[-1] for each in shown.values())),)
    assert num_orders > 5


def test_speeds_are_those_of_the_pixels_and_differ_plainly():
    num_compared = 0
    for one in ids(60):
        facts = facts_of(one)
        for asking in all_askings(facts):
            if asking.kind != "clips/speed":
                continue
            ways = {}
            for mover in facts.movers:
                first, *_, last = seen_centres(facts, mover)
                ways[mover.name] = np.hypot(*np.subtract(last, first))
            fast, slow = sorted(asking.slots.values(), key=lambda name: -ways[name])
            assert asking.answer == (f"the {fast}",)
            assert ways[fast] > 1.5 * ways[slow] > 10
            num_compared += 1
    assert num_compared > 10


def test_seconds_in_which_nothing_happens_show_no_change_and_others_do():
    for one in ids(40):
        facts = replace(facts_of(one), grain=0)
        drawn = frames(facts)
        for asking in all_askings(facts):
            if asking.kind == "clips/window":
                first = 2 * int(asking.slots["start"])
                is_still = len(set(drawn[first : first + 3])) == 1
                assert is_still == (asking.answer == ("nothing happens",))


def test_objects_stay_in_the_picture_and_apart():
    for one in ids(60):
        facts = facts_of(one)
        assert keep_apart(facts.movers)
        width, height = SIZE
        for mover in facts.movers:
            assert mover.room.left > 0 and mover.room.right < width
            assert mover.room.top > 0 and mover.room.bottom < height
            for frame in range(facts.num_frames):
                box = box_of(mover.at(frame))
                assert mover.room.contains(Point(box.left, box.top))
                assert mover.room.contains(Point(box.right, box.bottom))


def test_no_tilt_of_any_shape_leaves_its_room():
    rng = Random(0)
    for shape in SHAPES:
        for _ in range(40):
            each = replace(thing(shape=shape), angle=tilt(rng, shape))
            room, box = Mover(thing=each, vanishes=4).room, box_of(each)
            assert room.left <= box.left and box.right <= room.right, shape
            assert room.top <= box.top and box.bottom <= room.bottom, shape


def test_boxes_of_the_description_are_null_where_an_object_is_not():
    for one in ids(20):
        for mover, told in zip(facts_of(one).movers, sample(one).truth["objects"], strict=True):
            for frame, box in enumerate(told["boxes"]):
                assert (box is not None) == mover.is_seen(frame)


# -- small clips worked by hand -------------------------------------------------------------------


def test_a_mover_waits_then_goes_then_stays():
    # frame   0    1    2    3    4    5
    # x      20   20   20   30   40   40
    mover = Mover(thing=thing(x=20.0), direction="right", step=10.0, starts=2, stops=4, vanishes=6)
    assert [mover.centre(frame).x for frame in range(6)] == [20, 20, 20, 30, 40, 40]
    assert [happenings([mover], 6, beat) for beat in range(3)] == [
        [],
        ["the red circle moves right"],
        [],
    ]


def test_an_object_that_comes_and_goes_is_told_second_by_second():
    mover = Mover(thing=thing(), appears=1, vanishes=5)
    assert [mover.is_seen(frame) for frame in range(6)] == [False, True, True, True, True, False]
    assert [happenings([mover], 6, beat) for beat in range(3)] == [
        ["the red circle appears"],
        [],
        ["the red circle disappears"],
    ]
    assert happenings([Mover(thing=thing(), vanishes=6)], 6, 2) == []


def test_objects_that_touch_the_rim_or_each_other_are_not_apart():
    def still(x):
        return Mover(thing=thing(x=x), vanishes=4)

    assert keep_apart([still(20.0), still(56.0)])
    assert not keep_apart([still(20.0), still(42.0)])
    assert not keep_apart([still(11.0)])
    passing = Mover(thing=thing(x=16.0), direction="right", step=20.0, stops=3, vanishes=4)
    assert keep_apart([passing])
    assert not keep_apart([passing, still(56.0)])


def test_equal_speeds_and_different_times_are_not_compared():
    def moving(step, stops=3):
        return Mover(thing=thing(), direction="up", step=step, stops=stops, vanishes=4)

    assert comparable(moving(4.0), moving(8.0))
    assert not comparable(moving(4.0), moving(5.0))
    assert not comparable(moving(4.0), moving(8.0, stops=2))
    assert not comparable(moving(4.0), Mover(thing=thing(), vanishes=4))


def test_a_reversed_mover_takes_the_same_path_back():
    mover = Mover(thing=thing(x=20.0), direction="right", step=10.0, stops=3, vanishes=4)
    (turned,) = change_movers([mover], Random(0))
    forth = [mover.centre(frame).x for frame in range(4)]
    assert [turned.centre(frame).x for frame in range(4)] == forth[::-1]


# -- fairness -------------------------------------------------------------------------------------


def test_answers_are_balanced():
    directions, places = Counter(), Counter()
    for one in ids(300):
        for question in WORLD.ask(facts_of(one), Random(one.number), "train"):
            if question.kind == "clips/direction":
                directions[question.answer[0]] += 1
            elif question.kind in ("clips/order", "clips/speed"):
                names = sorted(
                    (mover.name for mover in facts_of(one).movers if mover.name in question.text),
                    key=question.text.index,
                )
                places[names.index(question.answer[0].removeprefix("the "))] += 1
    assert len(directions) == 5
    for count in directions.values():
        assert 0.13 < count / directions.total() < 0.27
    assert places[0] / places.total() == pytest.approx(0.5, abs=0.08)


def test_no_object_shares_its_name_with_another():
    for one in ids(60):
        names = [mover.name for mover in facts_of(one).movers]
        assert len(set(names)) == len(names)


def test_some_colours_and_shapes_meet_in_combinations_only():
    for split, is_kept in (("train", False), ("test", False), ("combinations", True)):
        for one in ids(20, split):
            for mover in facts_of(one).movers:
                pair = (mover.thing.colour, mover.thing.shape)
                assert (pair in HELD_OUT) == is_kept


def test_a_prior_plants_where_a_colour_goes():
    assert set(PLANTED) == set(COLOURS) and len(set(PLANTED.values())) == 4
    for prior, low, high in ((1.0, 1.0, 1.0), (0.5, 0.5, 0.8), (0.0, 0.15, 0.35)):
        facts = [WORLD.compose(Random(number), "train", prior) for number in range(60)]
        moving = [mover for each in facts for mover in each.movers if mover.direction]
        kept = sum(mover.direction == PLANTED[mover.thing.colour] for mover in moving)
        assert low <= kept / len(moving) <= high


@pytest.mark.parametrize("split, held", [("dev", False), ("test", True)])
def test_questions_are_put_in_the_words_of_their_split(split, held):
    for one in ids(10, split):
        questions = sample(one).questions
        assert 4 <= len(questions) <= 12
        assert len({question.text for question in questions}) == len(questions)
        for question in questions:
            ways = PHRASES[question.kind]
            starts = [way.split("{")[0] for way in (ways.unseen if held else ways.seen)]
            assert any(question.text.startswith(start) for start in starts)


def test_every_kind_has_ten_wordings_and_three_held_out():
    for ways in PHRASES.values():
        assert len(set(ways.seen)) >= 10 and len(set(ways.unseen)) >= 3
