"""Panel 1: pictures in, features on a grid of rows and columns out.

A vision panel is any module with these methods; nothing else in the package knows which one. To
add one: write its file here, then name its config in `VisionConfig`.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor

from triptych.shapes import Pixels, VisionFeatures
from triptych.vision.mobilenet import (
    MobileNetV2,
    MobileNetV2Config,
    Stage,
    classifier_from_tflite_order,
    classify,
    mobilenet_v2,
    mobilenet_v2_debug,
    state_from_tflite_order,
)
from triptych.vision.sizes import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    clip_vit_l14,
    clip_vit_l14_336,
    clip_vit_l14_debug,
    dinov2_vit_b14,
    eva_vit_g14,
    eva_vit_g14_debug,
    intern_vit_6b,
    intern_vit_6b_debug,
    intern_vit_300m,
    intern_vit_300m_debug,
    penultimate,
    qwen2_5_vl_vit,
    qwen2_5_vl_vit_debug,
    qwen2_vl_vit,
    qwen2_vl_vit_debug,
    siglip_base_16_224,
    siglip_base_16_224_debug,
    siglip_so400m_14_384,
    siglip_so400m_14_384_debug,
    vit_l16,
    vit_l16_debug,
)
from triptych.vision.vit import ViT, ViTConfig

VisionConfig = ViTConfig | MobileNetV2Config
"""Every vision panel there is. Each config has `grid(height, width)`, `dim`, `patch_size`,
`pixel_mean`, `pixel_std` and `build()`."""


@runtime_checkable
class Vision(Protocol):
    """What every vision panel promises."""

    @property
    def config(self) -> VisionConfig:
        """What it was built from; `config.grid` foretells the grid of its features."""
        ...

    @property
    def dim(self) -> int:
        """Width of a cell's features."""
        ...

    def __call__(self, pixels: Pixels) -> VisionFeatures:
        """Features of pictures of one size, on the grid that `config.grid` promises."""
        ...

    def intermediates(self, pixels: Pixels) -> dict[str, Tensor]:
        """What every layer put out, by its name: `image row col dim`."""
        ...


__all__ = [
    "CLIP_MEAN",
    "CLIP_STD",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "MobileNetV2",
    "MobileNetV2Config",
    "Stage",
    "ViT",
    "ViTConfig",
    "Vision",
    "VisionConfig",
    "classifier_from_tflite_order",
    "classify",
    "clip_vit_l14",
    "clip_vit_l14_336",
    "clip_vit_l14_debug",
    "dinov2_vit_b14",
    "eva_vit_g14",
    "eva_vit_g14_debug",
    "intern_vit_6b",
    "intern_vit_6b_debug",
    "intern_vit_300m",
    "intern_vit_300m_debug",
    "mobilenet_v2",
    "mobilenet_v2_debug",
    "penultimate",
    "qwen2_5_vl_vit",
    "qwen2_5_vl_vit_debug",
    "qwen2_vl_vit",
    "qwen2_vl_vit_debug",
    "siglip_base_16_224",
    "siglip_base_16_224_debug",
    "siglip_so400m_14_384",
    "siglip_so400m_14_384_debug",
    "state_from_tflite_order",
    "vit_l16",
    "vit_l16_debug",
]
