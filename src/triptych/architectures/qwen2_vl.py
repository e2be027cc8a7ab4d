"""Qwen2-VL: pictures at their own size, few tokens, positions in time, row and column.

    any size -> multiples of 28 -> ViT with 2-D rotary positions, no class token
             -> 2 x 2 patches merged into one token -> Qwen2 with M-RoPE

A picture of 1000 x 700 becomes 1008 x 700, 72 x 50 patches, 900 tokens. The ViT folds two frames
into one patch (a still is shown twice) and has 32 blocks, 1280 wide; the merger normalises each
patch, joins four, and has two matrices. The same ViT serves all sizes.

             language        vision + merger    all parameters
    2B       1536 x 28             665,271,296    2,208,985,600   (head tied)
    7B       3584 x 28             675,759,104    8,291,375,616
    72B      8192 x 80                             73,405,560,320

https://arxiv.org/abs/2409.12191

Departures: patches are kept in reading order on their grid, where the published code orders them
block by block; the tokens after the merger are the same. After a video the position of the next
text follows the paper (see `nn.rotary.multimodal_positions`).
"""

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import MergerConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import (
    LanguageConfig,
    qwen2_1_5b,
    qwen2_7b,
    qwen2_72b,
    with_mrope,
)
from triptych.media import NativeResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import QWEN2_VL, ThousandthsConfig
from triptych.vision import VisionConfig, qwen2_vl_vit, qwen2_vl_vit_debug

PAPER = "https://arxiv.org/abs/2409.12191"
SECTIONS = (16, 24, 24)
"""Of the 64 pairs of a head 128 wide: time, row, column."""

MIN_PIXELS, MAX_PIXELS = 56 * 56, 16_384 * 28 * 28
"""4 to 16,384 tokens."""


def qwen2_vl_2b() -> Architecture:
    """Qwen2-VL 2B: 2,208,985,600 parameters."""
    return _published("qwen2_vl_2b", qwen2_1_5b())


def qwen2_vl_7b() -> Architecture:
    """Qwen2-VL 7B: 8,291,375,616 parameters."""
    return _published("qwen2_vl_7b", qwen2_7b())


def qwen2_vl_72b() -> Architecture:
    """Qwen2-VL 72B."""
    return _published("qwen2_vl_72b", qwen2_72b())


def qwen2_vl_debug() -> Architecture:
    """Every part of its kind, small enough for a test; patches of 8, so sizes in steps of 16."""
    return qwen2_vl(
        "qwen2_vl_debug",
        qwen2_vl_vit_debug(),
        debug_decoder(qkv_bias=True, theta=1_000_000.0, mrope_sections=(2, 3, 3)),
        NativeResizeConfig(factor=16, min_pixels=32 * 32, max_pixels=96 * 96),
        max_tokens=512,
    )


def _published(name: str, language: LanguageConfig) -> Architecture:
    return qwen2_vl(
        name,
        qwen2_vl_vit(),
        with_mrope(language, SECTIONS),
        NativeResizeConfig(factor=28, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS),
        max_tokens=32_768,
    )


def qwen2_vl(
    name: str,
    vision: VisionConfig,
    language: LanguageConfig,
    resize: NativeResizeConfig,
    *,
    max_tokens: int,
) -> Architecture:
    """A model of this kind in any size."""
    return Architecture(
        name=name,
        model=VLMConfig(vision=vision, connector=MergerConfig(), language=language),
        processor=ProcessorConfig(
            resize=resize,
            template=QWEN2_VL,
            coordinates=ThousandthsConfig(),
            max_tokens=max_tokens,
        ),
        paper=PAPER,
    )
