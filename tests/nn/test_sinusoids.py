"""Sinusoidal positions by their formula."""

import math

import torch

from triptych.nn.sinusoids import sinusoids


def test_sines_stand_in_front_of_cosines_of_the_same_angles():
    waves = sinusoids(torch.tensor([[0, 3]]), 6)[0]
    assert waves[0].tolist() == [0, 0, 0, 1, 1, 1]
    angles = [3.0, 3.0 / 100, 3.0 / 10_000]  # from one radian a position to 1 / 10,000
    expected = [*map(math.sin, angles), *map(math.cos, angles)]
    torch.testing.assert_close(waves[1], torch.tensor(expected))


def test_the_smallest_width_has_one_wave():
    torch.testing.assert_close(sinusoids(torch.tensor([[2]]), 2)[0, 0, 0], torch.tensor(2.0).sin())
