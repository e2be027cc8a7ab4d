"""Pictures and clips: opened safely, resized on record, turned into numbers, drawn for people.

The only part of the package that knows Pillow.
"""

from triptych.media.drawing import Bar, SheetLine, SheetRow, bars, overlay_heatmap, sheet
from triptych.media.marking import draw_boxes, draw_points
from triptych.media.measuring import picture_size
from triptych.media.opening import Limits, Picture, open_image
from triptych.media.photographs import looks_photographed
from triptych.media.pixels import (
    PixelConfig,
    to_picture,
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
)
from triptych.media.saving import check_ending, save_picture
from triptych.media.sending import as_data_uri
from triptych.media.tiling import (
    CanvasTilingConfig,
    LongestEdgeTilingConfig,
    PicturePolicy,
    ShapeTilingConfig,
    TilingConfig,
    cut,
    seen_whole,
)
from triptych.media.video import Clip, ClipLimits, open_clip

__all__ = [
    "Bar",
    "CanvasTilingConfig",
    "Clip",
    "ClipLimits",
    "FixedResizeConfig",
    "Interpolation",
    "Limits",
    "LongestEdgeTilingConfig",
    "NativeResizeConfig",
    "PadToSquareConfig",
    "Picture",
    "PicturePolicy",
    "PixelConfig",
    "ResizeConfig",
    "ShapeTilingConfig",
    "SheetLine",
    "SheetRow",
    "ShortestEdgeCropConfig",
    "TilingConfig",
    "Transform",
    "as_data_uri",
    "bars",
    "check_ending",
    "cut",
    "draw_boxes",
    "draw_points",
    "looks_photographed",
    "open_clip",
    "open_image",
    "overlay_heatmap",
    "picture_size",
    "save_picture",
    "seen_whole",
    "sheet",
    "to_picture",
    "to_pixels",
]
