"""Flamingo: a frozen language model that looks at pictures through gated cross-attention.

    picture -> ViT -> Perceiver resampler, 64 latents -> cross-attention in front of every n-th
                                                          language block, behind two tanh gates

             language          cross-attention every    new blocks
    3B       2048 x 24         1                        24
    9B       4096 x 40         4                        10
    80B      8192 x 80         7                        12

Trained are the resampler and the gated blocks. A token looks at the last picture before it; the
text holds only an `<image>` marker, and `<EOC>` ends a chunk.

https://arxiv.org/abs/2204.14198

Departures: Flamingo's vision panel (NFNet-F6) and language panel (Chinchilla) are not published.
The vision panel here is CLIP ViT-L/14, as in OpenFlamingo; the language panels are Llama-like of
the paper's widths and depths, so the parameter totals differ from the paper's names.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import ResamplerConfig, resampler_flamingo
from triptych.fusion.gated import GatedConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import FLAMINGO
from triptych.vision import clip_vit_l14, clip_vit_l14_debug

PAPER = "https://arxiv.org/abs/2204.14198"


def flamingo_3b() -> Architecture:
    """A new block in front of every language block."""
    return _flamingo("flamingo_3b", dim=2048, depth=24, num_heads=16, every=1)


def flamingo_9b() -> Architecture:
    """A new block in front of every fourth."""
    return _flamingo("flamingo_9b", dim=4096, depth=40, num_heads=32, every=4)


def flamingo_80b() -> Architecture:
    """A new block in front of every seventh."""
    return _flamingo("flamingo_80b", dim=8192, depth=80, num_heads=64, every=7)


def flamingo_debug() -> Architecture:
    """Every part of its kind, small enough for a test."""
    return Architecture(
        name="flamingo_debug",
        model=VLMConfig(
            vision=clip_vit_l14_debug(),
            connector=ResamplerConfig(
                num_latents=4, depth=2, num_heads=2, head_dim=16, project=False
            ),
            language=debug_decoder(depth=3),
            fusion=GatedConfig(every=2, num_heads=2, head_dim=16),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=32, width=32),
            template=FLAMINGO,
            max_tokens=256,
        ),
        paper=PAPER,
    )


def _flamingo(name: str, *, dim: int, depth: int, num_heads: int, every: int) -> Architecture:
    language = DecoderConfig(
        vocab_size=32_064,
        dim=dim,
        depth=depth,
        num_heads=num_heads,
        num_kv_heads=num_heads,
        ffn_dim=4 * dim,
        activation="gelu",
        gated_mlp=False,
    )
    return Architecture(
        name=name,
        model=VLMConfig(
            vision=clip_vit_l14(),
            connector=replace(resampler_flamingo(), project=False),
            language=language,
            fusion=GatedConfig(every=every, num_heads=16, head_dim=dim // 16),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=224, width=224),
            template=FLAMINGO,
            max_tokens=2048,
        ),
        paper=PAPER,
    )
