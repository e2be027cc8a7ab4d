"""mini: Qwen2-VL at 12 million parameters, small enough to live in the package.

    any size -> multiples of 28 -> ViT with 2-D rotary positions (6 blocks, 256 wide)
             -> 2 x 2 patches merged into one token -> Qwen2 with M-RoPE (6 blocks, 256 wide)

Every part is of the published kind (see `qwen2_vl`), so the reference implementation loads an
export of it. A picture of 224 x 224 becomes 64 tokens. The vocabulary is its own: bytes, a few
thousand words of the drawn worlds, and the special tokens of Qwen2-VL.

https://arxiv.org/abs/2409.12191
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.qwen2_vl import qwen2_vl
from triptych.language import DecoderConfig, RotaryConfig
from triptych.media import NativeResizeConfig
from triptych.vision import qwen2_vl_vit

VOCAB_SIZE = 3000
"""Special tokens, 256 bytes, merges."""

MAX_PIXELS = 144 * 28 * 28
"""Larger pictures are reduced to 144 tokens, the most that training shows."""

MIN_PIXELS = 16 * 28 * 28
"""Smaller pictures are enlarged to 16 tokens."""


def mini(vocab_size: int = VOCAB_SIZE) -> Architecture:
    """The embedded model: 11.8 million parameters."""
    vision = replace(qwen2_vl_vit(), dim=256, depth=6, num_heads=4, ffn_dim=1024)
    language = DecoderConfig(
        vocab_size=vocab_size,
        dim=256,
        depth=6,
        num_heads=4,
        num_kv_heads=2,
        ffn_dim=768,
        norm_eps=1e-6,
        qkv_bias=True,
        positions=RotaryConfig(theta=10_000.0, mrope_sections=(8, 12, 12)),
        tied=True,
    )
    resize = NativeResizeConfig(factor=28, min_pixels=MIN_PIXELS, max_pixels=MAX_PIXELS)
    return qwen2_vl("mini", vision, language, resize, max_tokens=4096)
