"""Qwen2.5-VL: Qwen2-VL with windows in its vision panel, seconds in its positions, pixels in boxes.

    any size -> multiples of 28 -> ViT, 8 x 8 patches at a time -> 2 x 2 patches merged -> Qwen2.5

The ViT has RMSNorm and gated layers (SiLU, 3420 or 3456 wide) and looks at windows of 112 x 112
pixels, but for its blocks 7, 15, 23 and 31, which see the whole picture: its cost grows with the
area, not with the square of it. The merger's norm is RMSNorm too.

In M-RoPE a second of video is so many positions (2), however many frames are taken of it, so that
the model knows how fast things happen. Boxes and points are whole pixels of the picture as the
model sees it, written as JSON: `{"bbox_2d": [64, 48, 320, 240], "label": "cat"}`.

             language        vision + merger    all parameters
    3B       2048 x 36             668,684,288    3,754,622,976   (head tied)
    7B       3584 x 28             676,550,144    8,292,166,656
    72B      8192 x 80             704,573,696   73,410,777,344

https://arxiv.org/abs/2502.13923

Departures: as in Qwen2-VL, patches stay in reading order, and after a video the position of the
next text follows the paper (see `nn.rotary.multimodal_positions`).
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.architectures.qwen2_vl import MAX_PIXELS, MIN_PIXELS, SECTIONS, qwen2_vl
from triptych.connector import MergerConfig
from triptych.language import (
    LanguageConfig,
    RotaryConfig,
    qwen2_5_3b,
    qwen2_7b,
    qwen2_72b,
    with_mrope,
)
from triptych.media import NativeResizeConfig
from triptych.text import PixelsConfig
from triptych.vision import VisionConfig, qwen2_5_vl_vit, qwen2_5_vl_vit_debug

PAPER = "https://arxiv.org/abs/2502.13923"

TOKENS_PER_SECOND = 2.0
"""Positions in time that a second of video takes, in the published models."""


def qwen2_5_vl_3b() -> Architecture:
    """Qwen2.5-VL 3B: 3,754,622,976 parameters."""
    return _published("qwen2_5_vl_3b", qwen2_5_vl_vit(), qwen2_5_3b())


def qwen2_5_vl_7b() -> Architecture:
    """Qwen2.5-VL 7B: 8,292,166,656 parameters."""
    return _published("qwen2_5_vl_7b", qwen2_5_vl_vit(), qwen2_7b())


def qwen2_5_vl_72b() -> Architecture:
    """Qwen2.5-VL 72B: 73,410,777,344 parameters."""
    return _published("qwen2_5_vl_72b", qwen2_5_vl_vit(ffn_dim=3456), qwen2_72b())


def qwen2_5_vl_debug() -> Architecture:
    """Every part of its kind, small enough for a test; windows of 4 x 4 patches of 8 pixels."""
    return _qwen2_5_vl(
        "qwen2_5_vl_debug",
        qwen2_5_vl_vit_debug(),
        debug_decoder(qkv_bias=True, theta=1_000_000.0, mrope_sections=(2, 3, 3)),
        NativeResizeConfig(factor=16, min_pixels=32 * 32, max_pixels=96 * 96),
        max_tokens=512,
    )


def _published(name: str, vision: VisionConfig, language: LanguageConfig) -> Architecture:
    return _qwen2_5_vl(
        name,
        vision,
        with_mrope(language, SECTIONS),
        NativeResizeConfig(factor=28, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS),
        max_tokens=128_000,
    )


def _qwen2_5_vl(
    name: str,
    vision: VisionConfig,
    language: LanguageConfig,
    resize: NativeResizeConfig,
    *,
    max_tokens: int,
) -> Architecture:
    """Qwen2-VL with what is different."""
    assert isinstance(language.positions, RotaryConfig)
    positions = replace(language.positions, tokens_per_second=TOKENS_PER_SECOND)
    older = qwen2_vl(
        name, vision, replace(language, positions=positions), resize, max_tokens=max_tokens
    )
    return replace(
        older,
        model=replace(older.model, connector=MergerConfig(norm="rms")),
        processor=replace(older.processor, coordinates=PixelsConfig()),
        paper=PAPER,
    )
