"""The order of pixels inside a patch, and how a still picture stands in for two frames."""

import pytest
import torch
from torch.nn import functional as F

from triptych.vision.patches import PatchEmbedding, patchify, still_weight


def test_patches_come_in_reading_order_and_run_row_by_row():
    #   0  1 |  2  3
    #   4  5 |  6  7
    #  ------+------
    #   8  9 | 10 11
    #  12 13 | 14 15
    picture = torch.arange(16.0).reshape(1, 1, 4, 4).expand(1, 3, 4, 4)
    one_channel = patchify(picture, 2)[0, :, :, :4]
    assert one_channel.tolist() == [
        [[0, 1, 4, 5], [2, 3, 6, 7]],
        [[8, 9, 12, 13], [10, 11, 14, 15]],
    ]


def test_a_patch_runs_channel_by_channel_then_frame_by_frame():
    # The value of a pixel is 10 * channel + frame.
    clip = (10 * torch.arange(3)[None] + torch.arange(2)[:, None])[None, ..., None, None]
    patch = patchify(clip.expand(1, 2, 3, 2, 2).float(), 2)[0, 0, 0]
    assert patch.tolist() == [0] * 4 + [1] * 4 + [10] * 4 + [11] * 4 + [20] * 4 + [21] * 4


def test_pixels_left_over_at_the_right_and_below_are_dropped():
    picture = torch.randn(1, 3, 7, 9)
    torch.testing.assert_close(patchify(picture, 3), patchify(picture[..., :6, :9], 3))


@pytest.mark.parametrize("bias", [True, False])
def test_is_the_convolution_of_the_published_models(bias):
    embedding = PatchEmbedding(4, 1, 5, bias=bias)
    pixels = torch.randn(2, 3, 8, 12)
    theirs = F.conv2d(pixels, embedding.weight.reshape(5, 3, 4, 4), embedding.bias, stride=4)
    torch.testing.assert_close(embedding(pixels), theirs.permute(0, 2, 3, 1), atol=1e-5, rtol=0)


def test_is_the_convolution_over_frames_of_qwen2_vl():
    embedding = PatchEmbedding(4, 2, 5, bias=False)
    clip = torch.randn(2, 2, 3, 8, 12)
    kernel = embedding.weight.reshape(5, 3, 2, 4, 4)
    theirs = F.conv3d(clip.transpose(1, 2), kernel, stride=(2, 4, 4))[:, :, 0]
    torch.testing.assert_close(embedding(clip), theirs.permute(0, 2, 3, 1), atol=1e-5, rtol=0)


def test_a_still_picture_counts_as_equal_frames():
    embedding = PatchEmbedding(4, 2, 5, bias=True)
    still = torch.randn(2, 3, 8, 12)
    repeated = torch.stack([still, still], dim=1)
    torch.testing.assert_close(embedding(still), embedding(repeated), atol=1e-5, rtol=0)


def test_the_weight_of_a_still_sums_frames_and_keeps_channels_apart():
    # One output; the weight of a pixel is 10 * channel + frame.
    weight = (10 * torch.arange(3)[:, None] + torch.arange(2)[None]).float().reshape(1, 6)
    assert still_weight(weight, num_frames=2).tolist() == [[0 + 1, 10 + 11, 20 + 21]]
