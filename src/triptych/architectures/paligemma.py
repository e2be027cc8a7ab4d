"""PaliGemma: SigLIP's patches, one matrix, and a Gemma that reads its whole prompt both ways.

    224, 448 or 896 square -> SigLIP So400m/14 -> 256, 1024 or 4096 patches -> Linear -> Gemma 2B

    <image> <image> ... <bos> w h a t ? \\n   a   c a t <eos>
    '------ all see each other ---------'     '- causal --'

The patches are SigLIP's last, normalised. They stand in front of the text, which begins with the
token of beginning and ends with a line end; there are no roles, and an answer ends with `<eos>`.
Gemma multiplies the embeddings of its tokens by the root of its width (45.25), but not visual
tokens: the published code of transformers 4 divides these by the same number first.

             vision         connector     language         all parameters
    224      412,442,352    2,361,344     2,508,662,784    2,923,466,480
    448      413,327,088                                   2,924,351,216
    896      416,866,032                                   2,927,890,160

PaliGemma: https://arxiv.org/abs/2407.07726      Gemma: https://arxiv.org/abs/2403.08295

Departures: a conversation of several turns, which the model was not trained for, is written as its
texts one below the other with all pictures in front, and only what comes before the first answer is
read both ways.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import LinearConfig
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import LanguageConfig, gemma_2b
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import PALIGEMMA
from triptych.vision import ViTConfig, siglip_base_16_224_debug, siglip_so400m_14_384

PAPER = "https://arxiv.org/abs/2407.07726"

VOCAB_SIZE = 257_216
"""Gemma's 256,000, 1024 places, 128 shapes, `<image>`, and rows that nothing uses."""


def paligemma_3b_224() -> Architecture:
    """PaliGemma 3B at 224 pixels: 2,923,466,480 parameters."""
    return _published(224, max_tokens=512)


def paligemma_3b_448() -> Architecture:
    """PaliGemma 3B at 448 pixels."""
    return _published(448, max_tokens=2048)


def paligemma_3b_896() -> Architecture:
    """PaliGemma 3B at 896 pixels."""
    return _published(896, max_tokens=8192)


def paligemma_debug() -> Architecture:
    """Every part of its kind, small enough for a test; heads twice as wide as their share."""
    language = replace(
        debug_decoder(dim=32, num_kv_heads=1),
        head_dim=16,
        norm="rms_offset",
        activation="gelu_tanh",
        scale_embeddings=True,
    )
    return _paligemma("paligemma_debug", siglip_base_16_224_debug(), language, max_tokens=512)


def _published(side: int, *, max_tokens: int) -> Architecture:
    eyes = replace(siglip_so400m_14_384(), image_size=side)
    name = f"paligemma_3b_{side}"
    return _paligemma(name, eyes, gemma_2b(VOCAB_SIZE), max_tokens=max_tokens)


def _paligemma(
    name: str, vision: ViTConfig, language: LanguageConfig, *, max_tokens: int
) -> Architecture:
    side = vision.image_size or 0
    return Architecture(
        name=name,
        model=VLMConfig(
            vision=vision,
            connector=LinearConfig(),
            language=language,
            fusion=SpliceConfig(mutual="prompt"),
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=side, width=side),
            template=PALIGEMMA,
            max_tokens=max_tokens,
        ),
        paper=PAPER,
    )
