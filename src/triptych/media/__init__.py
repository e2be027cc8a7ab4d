"""Pictures: safe opening, resizing with a way back, pixels, drawing. The home of Pillow."""

from triptych.media.drawing import SheetLine, SheetRow, overlay_heatmap, sheet
from triptych.media.opening import Limits, Picture, open_image
from triptych.media.pixels import (
    PixelConfig,
    to_image,
    to_pixels,
)
from triptych.media.resizing import (
    FixedResizeConfig,
    Interpolation,
    NativeResizeConfig,
    PadToSquareConfig,
    ResizeConfig,
    ShortestEdgeCropConfig,
    Transform,
    smart_resize,
)

__all__ = [
    "FixedResizeConfig",
    "Interpolation",
    "Limits",
    "NativeResizeConfig",
    "PadToSquareConfig",
    "Picture",
    "PixelConfig",
    "ResizeConfig",
    "SheetLine",
    "SheetRow",
    "ShortestEdgeCropConfig",
    "Transform",
    "open_image",
    "overlay_heatmap",
    "sheet",
    "smart_resize",
    "to_image",
    "to_pixels",
]
