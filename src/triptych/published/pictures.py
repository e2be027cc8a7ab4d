"""Picture settings of published files, both ways: resizing to one size, and the colour scale.

    published                                        ours
    do_pad, shortest_edge, centre crop (LLaVA)       PadToSquareConfig
    shortest_edge, centre crop (CLIP)                ShortestEdgeCropConfig
    height and width (SigLIP, ViT)                   FixedResizeConfig

The edge must be the crop: a larger one, as DINOv2's, would need another policy.
"""

from typing import Any

from triptych.errors import ConfigError
from triptych.media import (
    FixedResizeConfig,
    PadToSquareConfig,
    PicturePolicy,
    ResizeConfig,
    ShortestEdgeCropConfig,
)
from triptych.media.resizing import Interpolation
from triptych.published.settings import Section
from triptych.vision import ViTConfig

BICUBIC, RESCALE = 3, 1 / 255
"""Pillow's number of the filter; what colours are multiplied by."""

_FILTERS: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", BICUBIC: "bicubic"}


def pad_colour(mean: tuple[float, float, float]) -> tuple[int, int, int]:
    """The colour that published LLaVA pads with: its mean, rounded down."""
    red, green, blue = (int(255 * value) for value in mean)
    return red, green, blue


def read_resize(pixels: Section) -> ResizeConfig:
    """The resize policy that picture settings describe.

    Raises:
        ConfigError: a setting is missing, malformed or not supported.
    """
    interpolation = read_interpolation(pixels)
    size = read_size(pixels, "size")
    if "shortest_edge" not in size.values:
        pixels.require(do_pad=False)
        height, width = size.count("height"), size.count("width")
        return FixedResizeConfig(height=height, width=width, interpolation=interpolation)
    side = size.count("shortest_edge")
    pixels.require(do_center_crop=True)
    read_size(pixels, "crop_size").over(height=side, width=side).require(height=side, width=side)
    if pixels.values.get("do_pad"):
        colour = pad_colour(pixels.numbers("image_mean"))
        return PadToSquareConfig(size=side, colour=colour, interpolation=interpolation)
    return ShortestEdgeCropConfig(size=side, interpolation=interpolation)


def write_resize(resize: PicturePolicy, vision: ViTConfig) -> dict[str, Any]:
    """The picture settings of a model that looks at all pictures in one size.

    Raises:
        ConfigError: it does not.
    """
    match resize:
        case FixedResizeConfig():
            sizes = {"size": {"height": resize.height, "width": resize.width}}
            kind = "CLIPImageProcessor" if vision.class_token else "SiglipImageProcessor"
        case PadToSquareConfig() | ShortestEdgeCropConfig():
            square = {"height": resize.size, "width": resize.size}
            sizes = {"size": {"shortest_edge": resize.size}, "crop_size": square}
            pads = isinstance(resize, PadToSquareConfig)
            kind = "LlavaImageProcessor" if pads else "CLIPImageProcessor"
        case _:
            raise ConfigError(
                "this layout has no settings for pictures at their own size or in tiles"
            )
    return {
        "image_processor_type": kind,
        "do_pad": isinstance(resize, PadToSquareConfig),
        "do_center_crop": "crop_size" in sizes,
        **write_colours(vision, resize.interpolation),
        **sizes,
    }


def read_interpolation(pixels: Section, default: int = BICUBIC) -> Interpolation:
    """How new pixels are made; refuses settings that would scale colours otherwise.

    Raises:
        ConfigError: a setting is malformed or not supported.
    """
    pixels = pixels.over(resample=default)
    pixels.require(do_resize=True, do_rescale=True, do_normalize=True)
    if pixels.values.get("rescale_factor") is not None:
        pixels.one_of("rescale_factor", RESCALE, round(RESCALE, 18))
    pixels.one_of("resample", *_FILTERS)
    return _FILTERS[pixels.values["resample"]]


def write_colours(vision: ViTConfig, interpolation: Interpolation) -> dict[str, Any]:
    """How new pixels are made, and the colour scale."""
    return {
        "do_convert_rgb": True,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "rescale_factor": RESCALE,
        "resample": next(each for each, name in _FILTERS.items() if name == interpolation),
        "image_mean": list(vision.pixel_mean),
        "image_std": list(vision.pixel_std),
    }


def read_size(pixels: Section, key: str) -> Section:
    """A size, which old files give as one number: the edge, or both sides of the crop.

    Raises:
        ConfigError: it is something else.
    """
    value = pixels.values.get(key)
    if isinstance(value, int):
        is_edge = key == "size" and bool(pixels.values.get("do_center_crop"))
        keys = ("shortest_edge",) if is_edge else ("height", "width")
        return Section(f"{pixels.where}: {key}", dict.fromkeys(keys, value))
    return pixels.section(key)
