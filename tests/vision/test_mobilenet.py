"""MobileNetV2: its padding, its published weights, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tests.toys import shared_data
from torch.nn import functional as F

from triptych.errors import CheckpointError, ConfigError, ShapeError
from triptych.shapes import Grid
from triptych.vision.mobilenet import (
    MobileNetV2Config,
    SameConv2d,
    Stage,
    classifier_from_tflite_order,
    classify,
    mobilenet_v2,
    mobilenet_v2_debug,
    same_padding,
    state_from_tflite_order,
    tflite_order,
)

FILE = ("weights", "mobilenet_v2")


def test_the_odd_pixel_of_padding_goes_right_and_below():
    #  even, stride 2:  [0 1 2][2 3 _]      one zero, behind
    #  odd,  stride 2:  [_ 0 1][1 2 3][3 4 _]
    assert same_padding(4, kernel_size=3, stride=2) == (0, 1)
    assert same_padding(5, kernel_size=3, stride=2) == (1, 1)
    assert same_padding(4, kernel_size=3, stride=1) == (1, 1)
    assert same_padding(4, kernel_size=1, stride=1) == (0, 0)


@pytest.mark.parametrize(("height", "width"), [(4, 6), (5, 4), (4, 5), (7, 7)])
def test_a_convolution_sees_the_windows_its_padding_promises(height, width):
    conv = SameConv2d(1, 1, kernel_size=3, stride=2)
    torch.nn.init.ones_(conv.weight)
    picture = torch.arange(1.0, height * width + 1).reshape(1, 1, height, width)

    ours = conv(picture)

    top, _ = same_padding(height, 3, 2)
    left, _ = same_padding(width, 3, 2)
    canvas = F.pad(picture, (3, 3, 3, 3))
    for row in range(-(-height // 2)):
        for col in range(-(-width // 2)):
            y, x = 3 + 2 * row - top, 3 + 2 * col - left
            assert ours[0, 0, row, col] == canvas[0, 0, y : y + 3, x : x + 3].sum()


def test_the_published_weights_name_the_published_labels():
    folder = shared_data(*FILE)
    tensors = load_file(next(folder.glob("*.safetensors")))
    expected = json.loads(next(folder.glob("*.expected.json")).read_text())
    config = mobilenet_v2()
    model = config.build().eval()
    model.load_state_dict(state_from_tflite_order(tensors))
    classifier = classifier_from_tflite_order(tensors)
    pictures = sorted((folder / "test_images").glob("*_224.png"))
    assert len(pictures) == 6

    scale = torch.tensor([config.pixel_mean, config.pixel_std])[..., None, None]
    pixels = torch.stack([torch.tensor(np.array(Image.open(path))) for path in pictures])
    pixels = (pixels.permute(0, 3, 1, 2) / 255 - scale[0]) / scale[1]
    with torch.no_grad():
        features = model(pixels)
        probabilities = classify(features, *classifier)

    assert features.grid == Grid(7, 7)
    by_stem = {name.split(".")[0]: value["top3"] for name, value in expected.items()}
    for path, ours in zip(pictures, probabilities, strict=True):
        theirs = by_stem[path.name.removesuffix("_224.png")]
        top = ours.topk(3)
        assert top.indices.tolist() == [label for label, _, _ in theirs], path.name
        # Written down with 4 decimals; worst difference measured: 4.3e-5, the rounding itself.
        for value, (_, _, probability) in zip(top.values.tolist(), theirs, strict=True):
            assert abs(value - probability) < 1e-4, path.name


def test_the_pixel_constants_are_the_scaling_the_weights_were_trained_with():
    config = mobilenet_v2()
    byte = torch.arange(256.0)
    ours = (byte / 255 - config.pixel_mean[0]) / config.pixel_std[0]
    torch.testing.assert_close(ours, (byte - 128) / 128, atol=1e-6, rtol=0)


def test_has_the_published_number_of_parameters():
    with torch.device("meta"):
        model = mobilenet_v2().build()
    num_found = sum(parameter.numel() for parameter in model.parameters())
    # 3,504,872 trainable parameters of the 1,000-class model, less its classifier (1,281,000) and
    # the scales of batch normalisation (17,056), which folding has multiplied into the kernels.
    assert num_found == 3_504_872 - 1_281_000 - 17_056


def test_another_network_is_refused():
    with pytest.raises(CheckpointError, match=r"53 convolutions.*has 1"):
        state_from_tflite_order({"00.weight": torch.zeros(1), "00.bias": torch.zeros(1)})


def test_the_order_of_the_file_is_the_order_of_running():
    order = tflite_order()
    assert order[:4] == ["stem", "blocks.0.depthwise", "blocks.0.project", "blocks.1.expand"]
    assert order[-1] == "last"
    assert len(order) == 52


@pytest.mark.parametrize(("height", "width"), [(224, 230), (230, 224), (16, 224), (0, 32)])
def test_a_picture_of_broken_cells_is_refused_with_the_nearest_size(height, width):
    with pytest.raises(ShapeError, match=f"{height} x {width} pixels.*resize it to"):
        mobilenet_v2().grid(height, width)


def test_video_frames_are_refused():
    with pytest.raises(ShapeError, match="image axis"):
        mobilenet_v2_debug().build()(torch.zeros(1, 2, 3, 16, 16))


def test_a_narrow_model_has_channels_in_eighths():
    config = MobileNetV2Config(width=0.35)
    assert [config.scaled(channels) for channels in (32, 16, 24, 64, 320)] == [16, 8, 8, 24, 112]


@pytest.mark.parametrize(
    "wrong", [{"width": 0.0}, {"dim": 0}, {"stages": (Stage(6, 16, 0, 1),)}], ids=str
)
def test_impossible_numbers_are_refused(wrong):
    with pytest.raises(ConfigError, match="must be"):
        MobileNetV2Config(**wrong)


def test_intermediates_are_named_after_layers_and_end_in_the_output():
    model = mobilenet_v2_debug().build().eval()
    pixels = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        named = model.intermediates(pixels)
        assert list(named) == ["stem", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "last"]
        torch.testing.assert_close(named["last"], model(pixels).cells)
    assert named["stem"].shape[:3] == (2, 8, 12)
