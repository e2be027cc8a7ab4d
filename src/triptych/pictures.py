"""Pictures and clips as a model takes them: opened, resized, in its colour scale.

    picture  ->  channel height width
                 tile channel height width, where the model sees a picture in tiles
    clip     ->  slice frame channel height width, frames of one size

A slice is as many frames as one patch of the vision panel spans (two in Qwen2-VL, one where the
panel knows no time); it becomes as many visual tokens as a picture of that size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import torch
from einops import rearrange
from torch import Tensor

from triptych.errors import ConfigError, TokenError
from triptych.fusion.vlm import VLMConfig
from triptych.media import (
    Clip,
    ClipLimits,
    Limits,
    NativeResizeConfig,
    Picture,
    PicturePolicy,
    PixelConfig,
    ResizeConfig,
    TilingConfig,
    Transform,
    cut,
    open_clip,
    open_image,
    seen_whole,
    to_pixels,
)
from triptych.shapes import Tiles

Policy = TypeVar("Policy", bound=PicturePolicy)

VISUAL_PARTS = ("image", "video")
"""Types of the parts of a message that become visual tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImage:
    """One picture or clip as the model takes it."""

    pixels: Tensor
    """`channel height width`, of a picture in tiles `tile channel height width`, of a clip
    `slice frame channel height width`; or cached features `row col vision_dim`, of tiles or a clip
    with one more axis in front, see `is_features`."""

    height: int
    """Size in pixels after resizing, of a picture in tiles that of a tile."""
    width: int
    tiles: Tiles | None = None
    """How the picture was cut; None for one that was not."""
    is_features: bool = False
    """True when `pixels` holds what the frozen vision panel already made of them."""
    original_height: int | None = None
    """Size in pixels before resizing, which boxes and points refer to; None where not recorded."""
    original_width: int | None = None
    seconds_per_slice: float | None = None
    """Of a clip, time between the beginnings of two slices."""

    @property
    def is_clip(self) -> bool:
        return self.tiles is None and self.pixels.ndim > 3

    @property
    def num_slices(self) -> int:
        """Temporal slices; 1 for a still picture."""
        return self.pixels.shape[0] if self.is_clip else 1


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipConfig:
    """How much of a clip is looked at; the defaults are Qwen2-VL's."""

    fps: float = 2.0
    """Frames taken a second."""

    max_frames: int = 768
    """Frames taken at most; longer clips are sampled more slowly."""

    max_frame_pixels: int = 768 * 28 * 28
    """Area of a frame at most, where pictures keep their own size."""

    max_pixels: int = 16_384 * 28 * 28
    """Area of all slices together at most, where pictures keep their own size."""

    def __post_init__(self) -> None:
        if min(self.fps, self.max_frames, self.max_frame_pixels, self.max_pixels) <= 0:
            raise ConfigError(f"what is taken of a clip must be above 0, got {self}")


class PictureEncoder:
    """Turn pictures and clips into what one model takes."""

    def __init__(
        self,
        resize: PicturePolicy,
        clips: ClipConfig,
        model: VLMConfig,
        limits: Limits | None = None,
        clip_limits: ClipLimits | None = None,
    ) -> None:
        self.resize = resize
        self.clips = clips
        self.frames_per_slice = model.frames_per_slice
        self.colours = PixelConfig(mean=model.vision.pixel_mean, std=model.vision.pixel_std)
        self.limits = limits or Limits()
        self.clip_limits = clip_limits or ClipLimits()

    def open(self, source: object) -> Picture:
        """Open one picture, safely, as the right way up RGB."""
        return source if isinstance(source, Picture) else open_image(source, limits=self.limits)

    def encode_part(self, part: Mapping[str, Any]) -> EncodedImage:
        """The picture or clip of a message's part, with the options that stand there.

        Raises:
            TokenError: an option is not a number above zero.
            ConfigError: an option says how many pixels, and this model's pictures have one size.
        """
        pixels = _pixel_bounds(part)
        if part["type"] == "image":
            return self.encode_image(part["image"], **pixels)
        max_frames = _number(part, "max_frames")
        return self.encode_clip(
            part["video"],
            fps=_number(part, "fps"),
            max_frames=None if max_frames is None else int(max_frames),
            source_fps=_number(part, "source_fps"),
            **pixels,
        )

    def planned_part(self, part: Mapping[str, Any], height: int, width: int) -> EncodedImage:
        """What `encode_part` makes of a picture of this size, but for the pixels, which are empty.

        Enough to know how many tokens the picture takes, and where, before it is opened.

        Raises:
            TokenError, ConfigError: as `encode_part`.
            MediaError: the picture would be refused for its shape.
        """
        resize, tiles = with_pixels(self.resize, **_pixel_bounds(part)), None
        if isinstance(resize, TilingConfig):
            tiles = resize.tiles(height, width)
            seen_height, seen_width = resize.tile_size, resize.tile_size
        else:
            seen_height, seen_width = resize.target_size(height, width)
        return EncodedImage(
            pixels=torch.empty(0),
            height=seen_height,
            width=seen_width,
            tiles=tiles,
            original_height=height,
            original_width=width,
        )

    def encode_image(
        self, source: object, *, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> EncodedImage:
        """One picture in this model's size and colour scale.

        `min_pixels` and `max_pixels` are bounds of its area instead of the configuration's.
        """
        resize, picture = with_pixels(self.resize, min_pixels, max_pixels), self.open(source)
        if isinstance(resize, TilingConfig):
            return self._encode_tiles(resize, picture)
        resized, transform = resize.apply(picture)
        return _encoded(to_pixels(resized, self.colours), transform)

    def _encode_tiles(self, policy: TilingConfig, picture: Picture) -> EncodedImage:
        images, _ = cut(policy, picture)
        return EncodedImage(
            pixels=torch.stack([to_pixels(image, self.colours) for image in images]),
            height=policy.tile_size,
            width=policy.tile_size,
            tiles=policy.tiles(picture.height, picture.width),
            original_height=picture.height,
            original_width=picture.width,
        )

    def encode_clip(
        self,
        source: object,
        *,
        fps: float | None = None,
        max_frames: int | None = None,
        source_fps: float | None = None,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
    ) -> EncodedImage:
        """One clip as slices of frames, all of one size; the last frame fills up the last slice.

        A `Clip` has been sampled already and is taken whole, unless `fps` or `max_frames` is
        given. `min_pixels` and `max_pixels` are bounds of a frame's area; whatever they say, all
        slices together stay within the configuration's budget. Frames are not cut into tiles.
        """
        if not isinstance(source, Clip):
            fps, max_frames = fps or self.clips.fps, max_frames or self.clips.max_frames
        clip = open_clip(
            source,
            fps=fps,
            max_frames=max_frames,
            source_fps=source_fps,
            limits=self.clip_limits,
        ).padded(self.frames_per_slice)
        resize = with_pixels(self.resize, min_pixels, max_pixels)
        if isinstance(resize, TilingConfig):
            resize = seen_whole(resize)
        resize = self._within_budget(resize, len(clip.frames), max_pixels is not None)
        resized = [
            resize.apply(Picture(frame, frame.width, frame.height, clip.source))
            for frame in clip.frames
        ]
        slices = rearrange(
            torch.stack([to_pixels(frame, self.colours) for frame, _ in resized]),
            "(slice frame) channel height width -> slice frame channel height width",
            frame=self.frames_per_slice,
        )
        encoded = _encoded(slices, resized[0][1])
        return replace(encoded, seconds_per_slice=self.frames_per_slice / clip.fps)

    def _within_budget(self, resize: ResizeConfig, num_frames: int, is_asked: bool) -> ResizeConfig:
        """The policy for each frame of a clip, so that all of them fit into the budget."""
        if not isinstance(resize, NativeResizeConfig):
            return resize
        share = self.clips.max_pixels // (num_frames // self.frames_per_slice)
        most = min(resize.max_pixels, share)
        if not is_asked:
            most = min(most, self.clips.max_frame_pixels)
        return with_pixels(resize, None, max(most, resize.factor**2))


def _pixel_bounds(part: Mapping[str, Any]) -> dict[str, int | None]:
    """Bounds of the area that a part gives its picture."""
    numbers = {name: _number(part, name) for name in ("min_pixels", "max_pixels")}
    return {name: None if number is None else int(number) for name, number in numbers.items()}


def with_pixels(
    resize: Policy, min_pixels: int | None, max_pixels: int | None
) -> Policy | NativeResizeConfig:
    """The resize policy with another pixel budget; a bound that is not given yields to the other.

    Raises:
        ConfigError: the policy leaves no such choice, or the bounds leave no room.
    """
    if min_pixels is None and max_pixels is None:
        return resize
    for name, bound in (("min_pixels", min_pixels), ("max_pixels", max_pixels)):
        if bound is not None and bound < 1:
            raise ConfigError(f"{name} must be above 0, got {bound}; leave it out for no bound")
    if not isinstance(resize, NativeResizeConfig):
        raise ConfigError(
            "min_pixels and max_pixels are for models that take pictures at their own size; this "
            f"one resizes by {type(resize).__name__}, leave them out"
        )
    least = min(resize.min_pixels, max_pixels or resize.min_pixels)
    most = max(resize.max_pixels, min_pixels or resize.max_pixels)
    return replace(resize, min_pixels=min_pixels or least, max_pixels=max_pixels or most)


def _encoded(pixels: Tensor, transform: Transform) -> EncodedImage:
    return EncodedImage(
        pixels=pixels,
        height=transform.model_height,
        width=transform.model_width,
        original_height=transform.original_height,
        original_width=transform.original_width,
    )


def _number(part: Mapping[str, Any], name: str) -> float | None:
    value = part.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise TokenError(f"{name} of the {part['type']} must be a number above 0, got {value!r}")
    return float(cast(float, value))
