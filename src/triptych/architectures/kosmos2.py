"""Kosmos-2: CLIP's tokens, 64 latent queries, a Magneto decoder that writes places as cells.

    224 square -> CLIP ViT-L/14, all tokens, normalised -> each of length one
               -> Linear -> 64 queries attend once -> decoder of 24 blocks

    <s> <image> v v v ... v </image> <grounding> An image of <phrase> a cat</phrase>
        <object> <patch_index_0195> <patch_index_0911> </object>

The decoder has a LayerNorm in front of every branch and another inside of it (before the output of
attention, and between the feed-forward layers), fixed sines and cosines as positions, counted from
2, and its embeddings are multiplied by the root of its width, those of pictures too. The head is
the embedding table. A box is two tokens: the cells of its upper left and lower right corners on a
grid of 32 x 32 laid over the picture. `<grounding>` asks for the boxes of everything that the text
names: here a message does with `"grounded": True`.

             vision         connector     language         all parameters
             303,179,776    19,015,680    1,342,289,920    1,664,485,376

Kosmos-2: https://arxiv.org/abs/2306.14824      Magneto: https://arxiv.org/abs/2210.06423

Departures: the published processor fills the slots of a picture with 64 different tokens, none of
which is read; ours are all `<unk>`. The published code has no room for a second picture; here each
stands between marks of its own in front of the text.
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import LatentQueriesConfig
from triptych.fusion.vlm import VLMConfig
from triptych.language import DecoderConfig, SinusoidalConfig
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import KOSMOS2, CellsConfig
from triptych.vision import ViTConfig, clip_vit_l14, clip_vit_l14_debug

PAPER = "https://arxiv.org/abs/2306.14824"


def kosmos2() -> Architecture:
    """Kosmos-2: 1,664,485,376 parameters."""
    return _kosmos2("kosmos2", clip_vit_l14(), _magneto(), LatentQueriesConfig(), CellsConfig())


def kosmos2_debug() -> Architecture:
    """Every part of its kind, small enough for a test; places on a grid of 4 x 4."""
    small = debug_decoder()
    sizes = {name: getattr(small, name) for name in ("vocab_size", "dim", "depth", "ffn_dim")}
    return _kosmos2(
        "kosmos2_debug",
        clip_vit_l14_debug(),
        replace(_magneto(), num_heads=4, num_kv_heads=4, **sizes),
        LatentQueriesConfig(num_queries=8, num_heads=4),
        CellsConfig(side=4),
    )


def _magneto() -> DecoderConfig:
    return DecoderConfig(
        vocab_size=65_037,
        dim=2048,
        depth=24,
        num_heads=32,
        num_kv_heads=32,
        ffn_dim=8192,
        norm="layer",
        norm_eps=1e-5,
        inner_norm=True,
        activation="gelu",
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        positions=SinusoidalConfig(),
        scale_embeddings=True,
        tied=True,
        dropout=0.1,
    )


def _kosmos2(
    name: str,
    vision: ViTConfig,
    language: DecoderConfig,
    connector: LatentQueriesConfig,
    coordinates: CellsConfig,
) -> Architecture:
    side = vision.image_size or 0
    return Architecture(
        name=name,
        model=VLMConfig(vision=vision, connector=connector, language=language),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=side, width=side),
            template=KOSMOS2,
            coordinates=coordinates,
            max_tokens=2048,
        ),
        paper=PAPER,
    )
