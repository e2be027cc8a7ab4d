"""GIT: a picture's patches stand in front of the text, and one small transformer reads both.

    224 square -> CLIP ViT, all tokens, normalised -> Linear -> LayerNorm
               -> BERT-like decoder of 6 blocks, LayerNorm behind every sum

    v v v v  [CLS] a  cat       v   sees all v, and no text
    `------' '------------'     a   sees all v, and the text up to itself

The class token stays in front of the patches, 197 tokens in the base model. The text counts its
learned positions from 0, wherever it stands, and its embeddings are normalised; visual tokens have
no position here. The output layer is not the embedding table, and has a bias. A question is written
in front of its answer without a mark between them.

             vision         connector     language        all parameters
    base     85,799,424     592,128       90,227,514      176,619,066
    large    303,179,776    788,736       90,227,514      394,196,026

https://arxiv.org/abs/2205.14100

Departures: videos, for which some published models add a learned vector a frame, are not read; and
several pictures, which the published code takes as a video alone, stand one behind the other.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import LinearConfig
from triptych.fusion.splice import SpliceConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, TextPositionsConfig
from triptych.media import ShortestEdgeCropConfig
from triptych.processor import ProcessorConfig
from triptych.text import GIT
from triptych.vision import ViTConfig, clip_vit_l14, clip_vit_l14_debug

PAPER = "https://arxiv.org/abs/2205.14100"


def git_base() -> Architecture:
    """GIT base with CLIP ViT-B/16: 176,619,066 parameters."""
    eyes = replace(clip_vit_l14(), patch_size=16, dim=768, depth=12, num_heads=12, ffn_dim=3072)
    return _git("git_base", eyes, _bert())


def git_large() -> Architecture:
    """GIT large with CLIP ViT-L/14: 394,196,026 parameters."""
    return _git("git_large", clip_vit_l14(), _bert())


def git_debug() -> Architecture:
    """Every part of its kind, small enough for a test."""
    small = debug_decoder(num_kv_heads=4)
    sizes = {name: getattr(small, name) for name in ("vocab_size", "dim", "depth", "ffn_dim")}
    return _git(
        "git_debug", clip_vit_l14_debug(), replace(_bert(), num_heads=4, num_kv_heads=4, **sizes)
    )


def _bert() -> DecoderConfig:
    return DecoderConfig(
        vocab_size=30_522,
        dim=768,
        depth=6,
        num_heads=12,
        num_kv_heads=12,
        ffn_dim=3072,
        norm="layer",
        norm_eps=1e-12,
        norm_last=True,
        activation="gelu",
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        positions=TextPositionsConfig(max_positions=1024),
        head_bias=True,
        dropout=0.1,
    )


def _git(name: str, vision: ViTConfig, language: DecoderConfig) -> Architecture:
    return Architecture(
        name=name,
        model=VLMConfig(
            vision=vision,
            connector=LinearConfig(norm_eps=vision.norm_eps),
            language=language,
            fusion=SpliceConfig(mutual="pictures"),
        ),
        processor=ProcessorConfig(
            resize=ShortestEdgeCropConfig(size=vision.image_size or 0),
            template=GIT,
            max_tokens=1024,
        ),
        paper=PAPER,
    )
