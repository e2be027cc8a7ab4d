"""InternVL 1.5 to 3: tiles of the most similar grid, 256 tokens each, and a thumbnail.

    any size -> the grid of tiles of 448 x 448 of the most similar shape, at most 12, stretched
             -> InternViT -> 2 x 2 patches folded into one -> norm, two matrices
             -> Qwen2 or InternLM2

A picture of 800 x 600 becomes 4 x 3 tiles and a thumbnail of the whole behind them: 3,328 tokens,
all in one run between `<img>` and `</img>`. A picture of one tile has no thumbnail. The last block
of InternViT is read, not normalised, without the class token.

                     vision         connector     language         all parameters
    InternVL2-1B     304,012,288     4,482,816      629,663,872       938,158,976
    InternVL2-2B     304,012,288    12,595,200    1,889,146,880     2,205,754,368
    InternVL2-8B     304,012,288    33,570,816    7,737,782,272     8,075,365,376

InternVL 1.5: https://arxiv.org/abs/2404.16821

Departures: InternLM2 is Llama but for the order of its weights, and a Llama here, as in the
checkpoints for transformers.
"""

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import PixelShuffleConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import ShapeTilingConfig
from triptych.processor import ProcessorConfig
from triptych.text import INTERNVL, TileTextConfig
from triptych.vision import ViTConfig, intern_vit_300m, intern_vit_300m_debug

PAPER = "https://arxiv.org/abs/2404.16821"

TILE_TEXT = TileTextConfig(before="<img>", after="</img>")
"""What InternVL writes around tiles."""


def internvl2_1b() -> Architecture:
    """InternVL2-1B, with Qwen2 0.5B: 938,158,976 parameters."""
    qwen2 = DecoderConfig(
        vocab_size=151_655,
        dim=896,
        depth=24,
        num_heads=14,
        num_kv_heads=2,
        ffn_dim=4864,
        norm_eps=1e-6,
        qkv_bias=True,
        positions=RotaryConfig(theta=1_000_000.0),
    )
    return internvl("internvl2_1b", intern_vit_300m(), qwen2, max_tokens=32_768)


def internvl2_2b() -> Architecture:
    """InternVL2-2B, with InternLM2 1.8B: 2,205,754,368 parameters."""
    internlm2 = _internlm2(dim=2048, depth=24, num_heads=16, ffn_dim=8192)
    return internvl("internvl2_2b", intern_vit_300m(), internlm2, max_tokens=32_768)


def internvl2_8b() -> Architecture:
    """InternVL2-8B, with InternLM2.5 7B: 8,075,365,376 parameters."""
    internlm2 = _internlm2(dim=4096, depth=32, num_heads=32, ffn_dim=14_336)
    return internvl("internvl2_8b", intern_vit_300m(), internlm2, max_tokens=32_768)


def internvl_debug() -> Architecture:
    """InternVL for tests: tiles of 4 x 4 patches folded 2 x 2, at most 4 tiles."""
    return internvl(
        "internvl_debug",
        intern_vit_300m_debug(),
        debug_decoder(qkv_bias=True),
        max_tokens=2048,
        max_tiles=4,
    )


def internvl(
    name: str,
    vision: ViTConfig,
    language: DecoderConfig,
    *,
    max_tokens: int,
    max_tiles: int = 12,
) -> Architecture:
    """A model of this kind in any size; its tiles are as large as the vision panel's positions."""
    side = vision.image_size
    assert side is not None
    return Architecture(
        name=name,
        model=VLMConfig(vision=vision, connector=PixelShuffleConfig(), language=language),
        processor=ProcessorConfig(
            resize=ShapeTilingConfig(tile_size=side, max_tiles=max_tiles),
            template=INTERNVL,
            tile_text=TILE_TEXT,
            max_tokens=max_tokens,
        ),
        paper=PAPER,
    )


def _internlm2(*, dim: int, depth: int, num_heads: int, ffn_dim: int) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=92_553,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=8,
        ffn_dim=ffn_dim,
        positions=RotaryConfig(theta=1_000_000.0),
    )
