"""SmolVLM, and Idefics3 of which it is the small form: many tiles, few tokens each.

    any size -> longest edge to four tiles -> whole tiles, and the whole picture in one
             -> SigLIP -> neighbouring patches folded into one -> one matrix
             -> SmolLM2, with the row and column of every tile written in front of it

A picture of 1024 x 768 becomes 4 x 3 tiles of 512 x 512 and an overview; 32 x 32 patches of each
are folded 4 x 4 into 64 tokens, 832 in all. Words and line ends between them say where each tile
lies. The fold's order is that of `connector.fold`; the matrix has no bias.

             vision          connector      language          all parameters
    256M     86,433,024       7,077,888       162,974,016       256,484,928
    500M     86,433,024      11,796,480       409,252,800       507,482,304
    2.2B    412,987,248      21,233,664     1,812,051,968     2,246,272,880

SmolVLM: https://arxiv.org/abs/2504.05299
Idefics3: https://arxiv.org/abs/2408.12637

Departures: none in the numbers. The published code cuts a picture's padding away by masks, which
here never begins: tiles are whole. Videos, which SmolVLM2 was tuned with, are not read.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import LinearConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import LongestEdgeTilingConfig
from triptych.processor import ProcessorConfig
from triptych.text import SMOLVLM, TileTextConfig
from triptych.vision import (
    ViTConfig,
    siglip_base_16_224,
    siglip_base_16_224_debug,
    siglip_so400m_14_384,
)

PAPER = "https://arxiv.org/abs/2504.05299"

TILE_TEXT = TileTextConfig(
    tile="<fake_token_around_image><row_{row}_col_{col}>",
    row_end="\n",
    grid_end="\n",
    overview="<fake_token_around_image><global-img>",
    after="<fake_token_around_image>",
)
"""What Idefics3 writes around tiles."""


def smolvlm_256m() -> Architecture:
    """SmolVLM-256M: 256,484,928 parameters."""
    vision = replace(siglip_base_16_224(), image_size=512)
    language = _smollm2(dim=576, depth=30, num_heads=9, num_kv_heads=3, ffn_dim=1536)
    return smolvlm("smolvlm_256m", vision, 4, language, max_tokens=8192)


def smolvlm_500m() -> Architecture:
    """SmolVLM-500M: 507,482,304 parameters."""
    vision = replace(siglip_base_16_224(), image_size=512)
    language = _smollm2(dim=960, depth=32, num_heads=15, num_kv_heads=5, ffn_dim=2560)
    return smolvlm("smolvlm_500m", vision, 4, language, max_tokens=8192)


def smolvlm_2_2b() -> Architecture:
    """SmolVLM (2.2B): 2,246,272,880 parameters; 27 x 27 patches folded 3 x 3 into 81 tokens."""
    language = replace(
        _smollm2(dim=2048, depth=24, num_heads=32, num_kv_heads=32, ffn_dim=8192),
        vocab_size=49_155,
        positions=RotaryConfig(theta=273_768.0),
    )
    return smolvlm("smolvlm_2_2b", siglip_so400m_14_384(), 3, language, max_tokens=16_384)


def smolvlm_debug() -> Architecture:
    """SmolVLM for tests: tiles of 4 x 4 patches folded 2 x 2, two tiles on the longest edge."""
    return smolvlm(
        "smolvlm_debug",
        siglip_base_16_224_debug(),
        2,
        debug_decoder(tied=False),
        max_tokens=2048,
        tiles_on_edge=2,
    )


def smolvlm(
    name: str,
    vision: ViTConfig,
    factor: int,
    language: DecoderConfig,
    *,
    max_tokens: int,
    tiles_on_edge: int = 4,
) -> Architecture:
    """A model of this kind in any size; its tiles are as large as the vision panel's positions."""
    side = vision.image_size
    assert side is not None
    return Architecture(
        name=name,
        model=VLMConfig(
            vision=vision, connector=LinearConfig(bias=False, factor=factor), language=language
        ),
        processor=ProcessorConfig(
            resize=LongestEdgeTilingConfig(tile_size=side, longest_edge=tiles_on_edge * side),
            template=SMOLVLM,
            tile_text=TILE_TEXT,
            max_tokens=max_tokens,
        ),
        paper=PAPER,
    )


def _smollm2(
    *, dim: int, depth: int, num_heads: int, num_kv_heads: int, ffn_dim: int
) -> DecoderConfig:
    """SmolLM2 with a head of its own and rows for the tokens of tiles."""
    return DecoderConfig(
        vocab_size=49_280,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_kv_heads,
        ffn_dim=ffn_dim,
        positions=RotaryConfig(theta=100_000.0),
    )
