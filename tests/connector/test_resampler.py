"""What is particular to the perceiver resampler."""

import pytest
import torch

from triptych.connector import Resampler, ResamplerConfig
from triptych.errors import ConfigError, ShapeError
from triptych.shapes import VisionFeatures


def pictures(count: int, rows: int = 2, cols: int = 3) -> VisionFeatures:
    return VisionFeatures(torch.randn(count, rows, cols, 6), torch.zeros(count, 0, 6))


def tiny(max_frames: int | None) -> Resampler:
    torch.manual_seed(0)
    config = ResamplerConfig(
        num_latents=5, depth=2, num_heads=2, head_dim=4, max_frames=max_frames, project=False
    )
    return config.build(vision_dim=6, language_dim=10)


def test_a_clip_becomes_as_many_tokens_as_a_picture():
    assert tiny(max_frames=4)(pictures(6), num_frames=3).shape == (2, 5, 6)


def test_clips_do_not_mix():
    resampler, frames = tiny(max_frames=4), pictures(6)
    second = VisionFeatures(frames.cells[3:], frames.prefix[3:])
    torch.testing.assert_close(resampler(frames, num_frames=3)[1:], resampler(second, num_frames=3))


@pytest.mark.parametrize("max_frames", [None, 2])
def test_only_time_embeddings_tell_the_order_of_frames(max_frames: int | None):
    resampler, frames = tiny(max_frames), pictures(2)
    backwards = VisionFeatures(frames.cells.flip(0), frames.prefix)
    forward, reverse = resampler(frames, num_frames=2), resampler(backwards, num_frames=2)
    assert torch.allclose(forward, reverse, atol=1e-5) == (max_frames is None)


def test_a_clip_without_time_embeddings_is_one_large_picture():
    resampler, frames = tiny(max_frames=None), pictures(2)
    tall = VisionFeatures(frames.cells.reshape(1, 4, 3, 6), frames.prefix[:1])
    torch.testing.assert_close(resampler(frames, num_frames=2), resampler(tall))


def test_latents_are_among_the_keys():
    # With an empty picture there is nothing else to attend to.
    resampler = tiny(max_frames=None)
    assert resampler(pictures(1, rows=0)).isfinite().all()


def test_pictures_that_make_no_whole_clips_are_refused():
    with pytest.raises(ShapeError, match="5 pictures do not divide into clips of 3"):
        tiny(max_frames=4)(pictures(5), num_frames=3)
    with pytest.raises(ShapeError, match="clips of 0"):
        tiny(max_frames=4)(pictures(5), num_frames=0)


def test_more_frames_than_time_embeddings_are_refused():
    with pytest.raises(ShapeError, match="clip of 3 frames, but only 2 have a time embedding"):
        tiny(max_frames=2)(pictures(3), num_frames=3)


@pytest.mark.parametrize(
    "field", ["num_latents", "depth", "num_heads", "head_dim", "ffn_ratio", "max_frames"]
)
def test_sizes_below_one_are_refused(field: str):
    with pytest.raises(ConfigError, match=f"{field} must be at least 1, got 0"):
        ResamplerConfig(**{field: 0})
