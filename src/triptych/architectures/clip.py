"""CLIP: a picture and a text each become one vector, and the vectors are compared.

    vision     224 x 224 -> ViT -> class token, normalised -> matrix -> unit vector
    language   77 positions, causal -> the end token's state -> matrix -> unit vector
    score      cosine * exp(scale); over the texts a softmax

             vision            text              shared    parameters
    B/32     12 x 768, 49      12 x 512           512      151,277,313
    B/16     12 x 768, 196     12 x 512           512      149,620,737
    L/14     24 x 1024, 256    12 x 768           768      427,616,513
    L/14-336 24 x 1024, 576    12 x 768           768      427,944,193

Trained on 400 million pairs in batches of 32,768: of the pictures and texts of a batch, each has to
find its own among all others. https://arxiv.org/abs/2103.00020

Departures: none.
"""

from dataclasses import replace

from triptych.architectures.scorer import ScorerArchitecture
from triptych.connector.pooling import ClassTokenPoolConfig
from triptych.fusion.dual import DualConfig, SimilarityConfig
from triptych.language.text_encoder import TextEncoderConfig
from triptych.media import ShortestEdgeCropConfig
from triptych.pairs import PairProcessorConfig
from triptych.vision import ViTConfig, clip_vit_l14, clip_vit_l14_336, clip_vit_l14_debug

PAPER = "https://arxiv.org/abs/2103.00020"
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def clip_b32() -> ScorerArchitecture:
    """CLIP ViT-B/32."""
    return _clip("clip_b32", _base(32), _text(512, 8))


def clip_b16() -> ScorerArchitecture:
    """CLIP ViT-B/16."""
    return _clip("clip_b16", _base(16), _text(512, 8))


def clip_l14() -> ScorerArchitecture:
    """CLIP ViT-L/14."""
    return _clip("clip_l14", clip_vit_l14(), _text(768, 12))


def clip_l14_336() -> ScorerArchitecture:
    """CLIP ViT-L/14, trained on at 336 pixels."""
    return _clip("clip_l14_336", clip_vit_l14_336(), _text(768, 12))


def clip_debug() -> ScorerArchitecture:
    """Every part of its kind, small enough for a test."""
    # The specials of a debug tokenizer come first, so the end token is 1.
    text = replace(_text(32, 2), vocab_size=320, depth=2, ffn_dim=48, max_tokens=24, end_id=1)
    debug = _clip("clip_debug", clip_vit_l14_debug(), text)
    return replace(debug, model=replace(debug.model, shared_dim=40))


def _base(patch_size: int) -> ViTConfig:
    return replace(
        clip_vit_l14(), patch_size=patch_size, dim=768, depth=12, num_heads=12, ffn_dim=3072
    )


def _text(dim: int, num_heads: int) -> TextEncoderConfig:
    return TextEncoderConfig(
        vocab_size=49_408,
        dim=dim,
        depth=12,
        num_heads=num_heads,
        ffn_dim=4 * dim,
        max_tokens=77,
        is_causal=True,
        speaker="end",
        end_id=49_407,
    )


def _clip(name: str, vision: ViTConfig, text: TextEncoderConfig) -> ScorerArchitecture:
    assert vision.image_size is not None
    return ScorerArchitecture(
        name=name,
        model=DualConfig(
            vision=vision,
            connector=ClassTokenPoolConfig(),
            language=text,
            shared_dim=text.dim,
            fusion=SimilarityConfig(meaning="softmax"),
        ),
        processor=PairProcessorConfig(
            resize=ShortestEdgeCropConfig(size=vision.image_size),
            begin_tokens=(BEGIN,),
            end_tokens=(END,),
            pad_token=END,
            max_tokens=text.max_tokens,
            pads_to_max=False,
        ),
        paper=PAPER,
    )
