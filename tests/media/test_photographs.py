"""Telling photographs from drawings."""

from random import Random

import numpy as np
from PIL import Image
from tests.toys import shared_data

from triptych.data.worlds import WORLDS, draw
from triptych.media import looks_photographed, open_image
from triptych.media.photographs import colour_bits


def test_bits_count_how_evenly_colours_are_spread():
    plain = Image.new("RGB", (64, 64), "red")
    assert colour_bits(open_image(plain)) == 0
    plain.paste("blue", (0, 0, 32, 64))
    assert colour_bits(open_image(plain)) == 1
    plain.paste("green", (0, 0, 32, 32))
    plain.paste("white", (32, 0, 64, 32))
    assert colour_bits(open_image(plain)) == 2
    shades = np.indices((64, 64)).reshape(2, -1).T * 4
    every = np.stack([shades[:, 0], shades[:, 1], shades.sum(-1) % 256], -1).astype(np.uint8)
    assert 10 <= colour_bits(open_image(every.reshape(64, 64, 3))) <= 12


def test_size_and_grain_do_not_make_a_photograph():
    drawing = Image.new("RGB", (300, 200), (180, 190, 170))
    drawing.paste("red", (40, 40, 140, 150))
    noise = np.random.default_rng(0).integers(-12, 13, (200, 300, 3))
    grainy = np.clip(np.asarray(drawing) + noise, 0, 255).astype(np.uint8)
    for each in (drawing, drawing.resize((20, 20)), grainy):
        assert not looks_photographed(open_image(each))


def test_drawn_worlds_are_no_photographs():
    # One in several hundred may be, a sign in many colours on a grainy ground.
    drawn = [draw(f"{world}/train/{number}").drawing for world in WORLDS for number in (1, 2, 3)]
    mistaken = [each for each in drawn if looks_photographed(open_image(each.pictures[0]))]
    assert len(drawn) == 21 and len(mistaken) <= 1


def test_photographs_are_photographs():
    # Of 400 others 98 % were told.
    paths = sorted(shared_data("flickr8k", "images").glob("*.jpg"))
    chosen = Random(0).sample(paths, 30)
    assert sum(looks_photographed(open_image(path)) for path in chosen) >= 28
