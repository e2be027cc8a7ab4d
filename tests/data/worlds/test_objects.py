from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest

from triptych.data.worlds.backgrounds import GROUND_KINDS, Background, choose_background
from triptych.data.worlds.naming import (
    Description,
    describe,
    full_name,
    listed,
    plural,
    refer,
    references,
    with_article,
)
from triptych.data.worlds.objects import (
    COLOURS,
    HELD_OUT,
    SHAPES,
    SIZES,
    TEXTURES,
    Thing,
    box_of,
    draw_things,
    middle_of,
    outline,
    shade,
    tilt,
)
from triptych.geometry import bounds, inside

BLUE = Background("plain", (0, 0, 255), (0, 0, 0), 0)
GREY = Background("plain", (128, 128, 128), (128, 128, 128), 0)


def thing(shape="circle", colour="red", **other):
    usual = dict(rgb=COLOURS[colour], size="medium", texture="solid", x=60.0, y=50.0, radius=28.0)
    return Thing(shape=shape, colour=colour, **{**usual, **other})


def drawn(one, ground=GREY, size=(120, 100)):
    return np.asarray(draw_things(size, ground, [one])).astype(int)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_box_is_the_bounding_box_of_the_pixels(shape):
    for seed in range(5):
        rng = Random(seed)
        place = {"x": 60 + rng.random(), "y": 50 + rng.random(), "radius": rng.uniform(15, 30)}
        one = thing(shape, "green", angle=tilt(rng, shape), texture="striped", **place)
        # What is covered by a quarter; grounds and edges without blue tell covered from not.
        blue = drawn(replace(one, rgb=(40, 160, 0)), BLUE)[:, :, 2]
        ys, xs = ((blue < 190) | (drawn(one, BLUE)[:, :, 1] > 60)).nonzero()
        seen = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        box = box_of(one)
        assert seen == pytest.approx([box.left, box.top, box.right, box.bottom], abs=0.95)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_outline_encloses_the_pixels_and_the_middle(shape):
    one = thing(shape, "blue", angle=tilt(Random(1), shape))
    polygon = outline(one)
    assert inside(middle_of(one), polygon)
    solid = (drawn(one) == COLOURS["blue"]).all(2)
    ys, xs = solid.nonzero()
    # An even-odd count over all corners at once, the hole of a ring included.
    x0, y0 = np.array([(p.x, p.y) for p in polygon]).T[:, :, None]
    x1, y1 = np.roll(x0, -1, 0), np.roll(y0, -1, 0)
    x, y = xs + 0.5, ys + 0.5
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    assert (right.sum(0) % 2 == 1).mean() > 0.99
    assert bounds(polygon).area < box_of(one).area


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("colour", COLOURS)
def test_most_of_an_object_has_its_colour_and_its_texture_shows(texture, colour):
    pixels = drawn(thing("square", colour, texture=texture))[30:70, 40:80].reshape(-1, 3)
    share = (pixels == COLOURS[colour]).all(1).mean()
    assert share == 1 if texture == "solid" else 0.4 < share < 0.8


def test_a_shade_is_far_nearer_to_its_colour_than_to_any_other():
    known = {name: np.array(rgb) for name, rgb in COLOURS.items()}
    for seed, colour in product(range(20), COLOURS):
        made = np.array(shade(Random(seed), colour))
        distances = {name: np.linalg.norm(made - rgb) for name, rgb in known.items()}
        own = distances.pop(colour)
        assert 3 * own < min(distances.values()), colour


def test_later_things_lie_on_top():
    image = draw_things((120, 100), GREY, [thing(colour="red"), thing(colour="blue")])
    assert image.getpixel((60, 50)) == COLOURS["blue"]


def test_every_ground_stands_back_from_what_lies_on_it():
    for seed in range(200):
        rng = Random(seed)
        colours = [shade(rng, colour) for colour in rng.sample(list(COLOURS), 3)]
        ground = np.asarray(choose_background(rng, colours).draw((56, 56)), int).reshape(-1, 1, 3)
        assert np.linalg.norm(ground - np.array(colours), axis=2).min() > 50, seed


@pytest.mark.parametrize("kind", GROUND_KINDS)
def test_a_ground_is_drawn_from_its_seed(kind):
    def draw(seed):
        return Background(kind, (90, 120, 90), (120, 90, 120), seed).draw((64, 56)).tobytes()

    assert draw(1) == draw(1)
    assert (draw(1) == draw(2)) == (kind == "plain")


def test_held_out_pairs_leave_each_colour_and_shape_to_be_seen():
    assert 0.08 < len(HELD_OUT) / (len(COLOURS) * len(SHAPES)) < 0.12
    seen = set(product(COLOURS, SHAPES)) - HELD_OUT
    assert {colour for colour, _ in seen} == set(COLOURS)
    assert {shape for _, shape in seen} == set(SHAPES)


def test_sizes_are_far_apart():
    small, medium, large = SIZES.values()
    assert medium / small > 1.5 and large / medium > 1.5


# -- names ----------------------------------------------------------------------------------------


def test_names_worked_by_hand():
    one = thing("triangle", "red", size="large", texture="striped")
    assert full_name(one) == "large red striped triangle"
    assert full_name(thing("star", "orange", size="small")) == "small orange star"
    assert describe(one, ("size", "colour")).phrase == "large red object"
    assert with_article("orange star") == "an orange star"
    assert plural("red cross") == "red crosses"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_a_reference_means_one_thing_only():
    things = [thing("star", "red"), thing("star", "blue"), thing("ring", "red", size="large")]
    assert references(things[0], things)[0] == "red star"
    assert references(things[1], things)[:2] == ["blue object", "blue star"]
    assert references(things[2], things, hidden=("shape",))[0] == "large object"
    assert refer(things[0], things, Random(0), hidden=("shape",)) == "medium red solid object"
    assert refer(things[0], [*things, thing("star", "red", x=20.0)], Random(0)) is None
    assert references(things[0], things[:1])[0] == "object"


def test_a_description_counts_what_it_fits():
    things = [thing("star", "red"), thing("star", "blue"), thing("ring", "red")]
    assert Description(colour="red").count(things) == 2
    assert Description(colour="red", shape="star").count(things) == 1
    assert Description(texture="dotted").count(things) == 0
    assert Description().count(things) == 3
