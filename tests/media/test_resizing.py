"""Sizes by arithmetic, pixels that follow it, and the way back."""

import numpy as np
import pytest
from PIL import Image

from triptych.errors import ConfigError, MediaError
from triptych.media import (
    FixedResizeConfig,
    NativeResizeConfig,
    PadToSquareConfig,
    ShortestEdgeCropConfig,
    open_image,
)
from triptych.media.opening import Picture
from triptych.media.resizing import check_interpolation

POLICIES = [
    FixedResizeConfig(height=24, width=40),
    PadToSquareConfig(size=32),
    ShortestEdgeCropConfig(size=32),
    NativeResizeConfig(factor=8, min_pixels=64, max_pixels=4096),
]
SIZES = [(30, 50), (50, 30), (37, 37), (1, 3), (7, 4), (64, 64)]


def grey(height: int, width: int) -> Picture:
    return open_image(np.full((height, width), 200, np.uint8))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@pytest.mark.parametrize("height, width", SIZES)
def test_every_policy_makes_the_size_it_promises(policy, height, width):
    image, transform = policy.apply(grey(height, width))
    assert (image.height, image.width) == policy.target_size(height, width)
    assert (transform.model_height, transform.model_width) == (image.height, image.width)
    assert (transform.original_height, transform.original_width) == (height, width)
    assert image.mode == "RGB"


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_every_policy_leaves_its_picture_alone(policy):
    picture = grey(64, 64)
    image, _ = policy.apply(picture)
    image.paste((0, 0, 0), (0, 0, 8, 8))
    assert picture.rgb.getpixel((0, 0)) == (200, 200, 200)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@pytest.mark.parametrize("height, width", SIZES)
def test_points_find_their_way_back(policy, height, width):
    _, transform = policy.apply(grey(height, width))
    for point in ((0.0, 0.0), (float(width), float(height)), (width / 3, height / 7)):
        assert transform.to_original(*transform.to_model(*point)) == pytest.approx(point)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@pytest.mark.parametrize("height, width", [(300, 500), (500, 300), (400, 400)])
def test_the_transform_points_at_the_same_thing_in_both_pictures(policy, height, width):
    # A bright block in the dark: its centre of mass must lie where the transform says.
    dark = np.zeros((height, width), np.uint8)
    top, left = height // 2 - 20, width // 2 + 10
    dark[top : top + 60, left : left + 50] = 255
    image, transform = policy.apply(open_image(dark))
    bright = np.asarray(image.convert("L")).astype(float)
    bright[bright < 140] = 0  # the padding is grey
    ys, xs = np.mgrid[: image.height, : image.width] + 0.5
    centre = (xs * bright).sum() / bright.sum(), (ys * bright).sum() / bright.sum()
    assert centre == pytest.approx(transform.to_model(left + 25.0, top + 30.0), abs=0.5)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_every_policy_refuses_a_picture_without_pixels(policy):
    for size in ((0, 5), (5, 0)):
        with pytest.raises(MediaError, match="nothing to show"):
            policy.target_size(*size)


# -- native resolution ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "height, width, expected, num_tokens",
    [
        (1000, 700, (1008, 700), 900),
        (700, 1000, (700, 1008), 900),
        (20, 30, (56, 84), 6),
        (28, 28, (56, 56), 4),
        (13, 14, (56, 84), 6),
        (2000, 3000, (812, 1204), 1247),
    ],
)
def test_native_sizes_worked_by_hand(height, width, expected, num_tokens):
    policy = NativeResizeConfig()
    assert policy.target_size(height, width) == expected
    assert expected[0] * expected[1] // 28**2 == num_tokens


def test_halves_round_to_the_even_multiple():
    #  42 / 28 = 1.5 -> 2      70 / 28 = 2.5 -> 2      98 / 28 = 3.5 -> 4
    policy = NativeResizeConfig(min_pixels=1)
    assert policy.target_size(42, 70) == (56, 56)
    assert policy.target_size(98, 126) == (112, 112)


def test_the_budget_bounds_the_area_from_both_sides():
    policy = NativeResizeConfig(min_pixels=100_000, max_pixels=200_000)
    for height, width in [(10, 10), (300, 400), (447, 447), (4000, 300), (9, 1000)]:
        rows, cols = policy.target_size(height, width)
        assert rows % 28 == cols % 28 == 0
        assert 100_000 <= rows * cols <= 200_000, (height, width)


def test_native_sizes_equal_the_reference_everywhere():
    module = "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl"
    reference = pytest.importorskip(module).smart_resize
    random = np.random.default_rng(0)
    policies = [
        NativeResizeConfig(),
        NativeResizeConfig(max_pixels=16_384 * 28 * 28),
        NativeResizeConfig(factor=32, min_pixels=64 * 64, max_pixels=256 * 256),
    ]
    for policy in policies:
        for height, width in random.integers(1, 6000, (2000, 2)).tolist():
            if max(height, width) / min(height, width) > 200:
                continue
            theirs = reference(height, width, policy.factor, policy.min_pixels, policy.max_pixels)
            assert policy.target_size(height, width) == theirs, (height, width)


def test_an_elongated_picture_is_refused():
    policy = NativeResizeConfig()
    assert policy.target_size(10, 2000)
    for height, width in ((10, 2001), (2001, 10)):
        with pytest.raises(MediaError, match=f"{width} x {height} pixels is too elongated"):
            policy.target_size(height, width)


# -- the others -----------------------------------------------------------------------------------


def test_fixed_stretches():
    image, transform = FixedResizeConfig(height=20, width=40).apply(grey(10, 10))
    assert image.size == (40, 20)
    assert transform.to_model(5.0, 5.0) == (20, 10)


def test_padding_surrounds_the_picture_with_the_mean_colour():
    # 4 wide, 2 high: one row of padding above, one below.
    image, transform = PadToSquareConfig(size=4).apply(grey(2, 4))
    mean = [(122, 116, 104)] * 4
    rows = [[image.getpixel((x, y)) for x in range(4)] for y in range(4)]
    assert rows == [mean, [(200, 200, 200)] * 4, [(200, 200, 200)] * 4, mean]
    assert transform.to_model(0.0, 0.0) == (0, 1)
    assert transform.to_original(0.0, 0.0) == (0, -1)


def test_an_odd_row_of_padding_goes_below():
    image, _ = PadToSquareConfig(size=4).apply(grey(1, 4))
    assert [image.getpixel((0, y))[0] for y in range(4)] == [122, 200, 122, 122]


def test_llava_sizes():
    policy = PadToSquareConfig(size=336)
    image, transform = policy.apply(grey(480, 640))
    assert image.size == (336, 336)
    assert transform.to_model(0.0, 0.0) == pytest.approx((0, 42))


def test_the_centre_is_cut_out():
    # Resized to 6 x 2, then the middle 2 x 2: the ends of the row are gone.
    row = np.repeat(np.array([[0, 0, 255, 255, 50, 50]], np.uint8), 2, axis=0)
    image, transform = ShortestEdgeCropConfig(size=2, interpolation="nearest").apply(
        open_image(row)
    )
    assert np.asarray(image)[:, :, 0].tolist() == [[255, 255], [255, 255]]
    assert transform.to_model(2.0, 0.0) == (0, 0)
    assert transform.to_original(2.0, 2.0) == (4, 2)


def test_the_shortest_edge_decides_and_the_longer_is_cut_to_whole_pixels():
    image, transform = ShortestEdgeCropConfig(size=224).apply(grey(333, 500))
    assert image.size == (224, 224)
    assert transform.scale_x * 500 == pytest.approx(336)  # int(224 * 500 / 333)


def test_half_a_pixel_to_cut_is_cut_at_the_right_or_the_bottom():
    # 5 wide: of the 3 columns too many, one goes on the left.
    _, transform = ShortestEdgeCropConfig(size=2).apply(grey(2, 5))
    assert transform.to_model(1.0, 0.0) == (0, 0)
    _, transform = ShortestEdgeCropConfig(size=2).apply(grey(7, 2))
    assert transform.to_model(0.0, 2.0) == (0, 0)


def test_same_size_keeps_every_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (56, 84, 3), np.uint8)
    image, _ = NativeResizeConfig().apply(open_image(noise))
    assert np.array_equal(np.asarray(image), noise)


def test_interpolation_is_heeded():
    noise = open_image(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8))
    made = {
        name: FixedResizeConfig(height=32, width=32, interpolation=name).apply(noise)[0].tobytes()
        for name in ("nearest", "bilinear", "bicubic", "lanczos")
    }
    assert len(set(made.values())) == 4
    assert made["bicubic"] == noise.rgb.resize((32, 32), Image.Resampling.BICUBIC).tobytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedResizeConfig(height=0, width=5),
        lambda: FixedResizeConfig(height=5, width=0),
        lambda: PadToSquareConfig(size=0),
        lambda: PadToSquareConfig(size=5, colour=(0, 0, 256)),
        lambda: ShortestEdgeCropConfig(size=-1),
        lambda: NativeResizeConfig(factor=0),
        lambda: NativeResizeConfig(min_pixels=5000, max_pixels=4000),
        lambda: NativeResizeConfig(min_pixels=1, max_pixels=783),
        lambda: NativeResizeConfig(max_aspect=0.5),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError, match=r"at least 1|colour is|max_pixels must be"):
        make()


def test_an_unknown_interpolation_is_refused():
    # Through the config the type checker of the tests would be faster.
    with pytest.raises(ConfigError, match="'cubic'; known: nearest, bilinear, bicubic, lanczos"):
        check_interpolation("cubic")
