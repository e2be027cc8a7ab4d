"""SigLIP: as CLIP, but whether a picture and a text belong together is asked of each pair alone.

    vision     square picture -> ViT without class token -> a learned probe reads all patches
    language   64 positions, each sees all -> the last position -> matrix with bias
    score      cosine * exp(scale) + bias; of each pair a sigmoid

                   vision           text          shared    parameters
    B/16-224       12 x 768, 196    12 x 768         768    203,155,970
    So400m/14-384  27 x 1152, 729   27 x 1152       1152    877,960,498

Texts are in lower case without punctuation and are filled up to 64 tokens; padding is read as any
other token is, as in training, and the last position is mostly padding.
https://arxiv.org/abs/2303.15343

Departures: none.
"""

from dataclasses import replace

from triptych.architectures.scorer import ScorerArchitecture
from triptych.connector.pooling import ProbePoolConfig
from triptych.fusion.dual import DualConfig, SimilarityConfig
from triptych.language.text_encoder import TextEncoderConfig
from triptych.media import FixedResizeConfig
from triptych.pairs import PairProcessorConfig
from triptych.vision import (
    ViTConfig,
    siglip_base_16_224,
    siglip_base_16_224_debug,
    siglip_so400m_14_384,
)

PAPER = "https://arxiv.org/abs/2303.15343"
END = "</s>"


def siglip_b16() -> ScorerArchitecture:
    """SigLIP B/16 at 224 pixels."""
    vision = siglip_base_16_224()
    return _siglip("siglip_b16", vision, _text(vision))


def siglip_so400m() -> ScorerArchitecture:
    """SigLIP So400m/14 at 384 pixels."""
    vision = siglip_so400m_14_384()
    return _siglip("siglip_so400m", vision, _text(vision))


def siglip_debug() -> ScorerArchitecture:
    """Every part of its kind, small enough for a test."""
    vision = siglip_base_16_224_debug()
    text = replace(_text(vision), vocab_size=320, depth=2, max_tokens=24)
    return _siglip("siglip_debug", vision, text)


def _text(vision: ViTConfig) -> TextEncoderConfig:
    """A text panel of the width and depth of the vision panel."""
    return TextEncoderConfig(
        vocab_size=32_000,
        dim=vision.dim,
        depth=vision.depth,
        num_heads=vision.num_heads,
        ffn_dim=vision.ffn_dim,
        max_tokens=64,
        is_causal=False,
        speaker="last",
        projection_bias=True,
        activation="gelu_tanh",
        norm_eps=1e-6,
    )


def _siglip(name: str, vision: ViTConfig, text: TextEncoderConfig) -> ScorerArchitecture:
    assert vision.image_size is not None
    return ScorerArchitecture(
        name=name,
        model=DualConfig(
            vision=vision,
            connector=ProbePoolConfig(num_heads=vision.num_heads, ffn_dim=vision.ffn_dim),
            language=text,
            shared_dim=vision.dim,
            fusion=SimilarityConfig(meaning="sigmoid"),
        ),
        processor=PairProcessorConfig(
            resize=FixedResizeConfig(height=vision.image_size, width=vision.image_size),
            begin_tokens=(),
            end_tokens=(END,),
            pad_token=END,
            max_tokens=text.max_tokens,
            pads_to_max=True,
        ),
        paper=PAPER,
    )
