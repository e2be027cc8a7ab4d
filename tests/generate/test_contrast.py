"""Contrast: numbers made by hand, and the same prompt with nothing to see in it."""

import math
from dataclasses import fields, replace

import pytest
import torch
from tests.laws.debug_models import picture, subject

from triptych.errors import ConfigError, UsageError
from triptych.generate.contrast import Contrast, add_noise, contrast_logits, without_picture
from triptych.processor import ask_about

BLANK = Contrast(against="blank")


def sample(name: str = "qwen2_vl_debug", *images: object):
    images = images or (picture(0), picture(1, 64, 48))
    return subject(name).processor.encode(ask_about(images, "what?"), add_generation_prompt=True)


# -- logits --------------------------------------------------------------------------------------


def test_what_pictures_add_is_added_again():
    logits, without = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([3.0, 0.5, 0.0])
    contrast = Contrast(strength=0.5, plausible=0.0)
    # 1.5 * 2 - 0.5 * 3, 1.5 * 1 - 0.5 * 0.5, 0
    assert contrast_logits(logits, without, contrast).tolist() == [1.5, 1.25, 0.0]
    assert contrast_logits(logits, without, replace(contrast, strength=0.0)).equal(logits)


def test_what_is_implausible_with_the_pictures_stays_out():
    probabilities = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    without = torch.tensor([[0.25, 0.25, 0.25, 1e-9]])  # the rare one would win by far
    for plausible, expected in ((0.0, 4), (0.2, 3), (0.5, 2), (1.0, 1)):
        found = contrast_logits(probabilities.log(), without.log(), Contrast(plausible=plausible))
        assert found.isfinite().sum() == expected
    found = contrast_logits(probabilities.log(), without.log(), Contrast(plausible=0.2))
    expected = [2 * math.log(p) - math.log(0.25) for p in (0.5, 0.3, 0.15)]
    assert found[0, :3].tolist() == pytest.approx(expected)


def test_what_is_forbidden_stays_so_and_equal_logits_change_nothing():
    logits = torch.tensor([1.0, -math.inf, 0.5])
    found = contrast_logits(logits, torch.tensor([0.0, -math.inf, 0.0]), Contrast(plausible=0.0))
    assert found.tolist() == [2.0, -math.inf, 1.0]
    assert contrast_logits(logits, logits, Contrast(plausible=0.0)).equal(logits)


# -- pictures ------------------------------------------------------------------------------------


def test_a_hidden_picture_leaves_everything_else_as_it_is():
    shown = sample()
    for contrast in (BLANK, Contrast()):
        hidden = without_picture(shown, contrast)
        for field in fields(shown):
            if field.name != "images":
                assert getattr(hidden, field.name) is getattr(shown, field.name)
        for ours, theirs in zip(hidden.images, shown.images, strict=True):
            assert replace(ours, pixels=theirs.pixels) == theirs
            assert ours.pixels.shape == theirs.pixels.shape
            assert not torch.equal(ours.pixels, theirs.pixels)


def test_a_blank_picture_has_the_mean_colour():
    processor = subject("qwen2_vl_debug").processor
    hidden = without_picture(sample(), BLANK)
    for image in hidden.images:
        assert not image.pixels.any()
    mean = torch.tensor(processor.pictures.colours.mean)
    colours = processor.pictures.colours
    shown = image.pixels[..., 0, 0] * torch.tensor(colours.std) + mean
    torch.testing.assert_close(shown, mean)


def test_noise_is_what_the_diffusion_of_the_paper_makes():
    """By hand: the variance that is left after steps 0 to t is the product of 1 - beta."""
    ones = torch.ones(3, 200, 200)
    for step in (0, 500, 999):
        left = 1.0
        for index in range(step + 1):
            position = -6 + 12 * index / 999
            left *= 1 - (0.00499 / (1 + math.exp(-position)) + 0.00001)
        noisy = add_noise(ones, step, torch.Generator().manual_seed(1))
        assert noisy.mean().item() == pytest.approx(math.sqrt(left), abs=0.01)
        assert noisy.std().item() == pytest.approx(math.sqrt(1 - left), abs=0.01)
    assert left < 0.09  # in the end nearly all is noise


def test_noise_depends_on_the_seed_alone():
    shown = sample("qwen2_vl_debug", picture(0), picture(1), picture(0))
    first, again, other = (without_picture(shown, Contrast(seed=seed)).images for seed in (1, 1, 2))
    for index in range(3):
        assert torch.equal(first[index].pixels, again[index].pixels)
        assert not torch.equal(first[index].pixels, other[index].pixels)
    assert torch.equal(first[0].pixels, first[2].pixels)  # so a cache may know it again


@pytest.mark.parametrize("name", ["llava_next_debug", "smolvlm_debug"])
def test_tiles_are_hidden_too(name):
    image = without_picture(sample(name, picture(0, 100, 40)), Contrast()).images[0]
    assert image.pixels.ndim == 4
    assert len({tile.sum().item() for tile in image.pixels}) == len(image.pixels)


def test_frames_of_a_clip_are_hidden_too():
    frames = [picture(number, 32, 48) for number in range(4)]
    content = [{"type": "video", "video": frames}, {"type": "text", "text": "what moves?"}]
    shown = subject("qwen2_vl_debug").processor.encode([{"role": "user", "content": content}])
    assert not without_picture(shown, BLANK).images[0].pixels.any()
    assert without_picture(shown, Contrast()).images[0].is_clip


def test_a_prompt_without_pictures_stays_as_it_is():
    shown = subject("qwen2_vl_debug").processor.encode(ask_about([], "hello"))
    assert without_picture(shown, Contrast()).images == ()


def test_features_cannot_be_hidden():
    shown = sample()
    features = tuple(replace(image, is_features=True) for image in shown.images)
    with pytest.raises(UsageError, match="this one is given as features; give the picture itself"):
        without_picture(replace(shown, images=features), BLANK)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strength": -1.0}, "strength must be a number from 0, got -1.0"),
        ({"strength": math.inf}, "strength must be a number from 0"),
        ({"plausible": 1.5}, r"plausible must be in \[0, 1\], got 1.5"),
        ({"noise_step": 1000}, "noise_step must be 0 to 999, got 1000"),
    ],
)
def test_impossible_contrasts_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Contrast(**options)
