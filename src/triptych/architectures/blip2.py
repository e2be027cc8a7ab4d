"""BLIP-2's generative stage: a frozen ViT and a frozen language model, and a Q-Former between.

    224 x 224 -> EVA ViT-g/14 (257 tokens x 1408) -> Q-Former, 32 queries x 768
              -> Linear -> 32 visual tokens in front of the text -> OPT 2.7B

Trained are the Q-Former, its query tokens and the projection to the language width; both other
panels stay frozen and in evaluation mode. The loss is on the text alone.

https://arxiv.org/abs/2301.12597

Departures: the Q-Former's text side is left out here, because the generative stage does not use
it; slots carry the id of an added token, so OPT's published table of 50,272 entries is kept
(50,265 of them are words).
"""

from dataclasses import replace

from triptych.architectures.architecture import Architecture
from triptych.architectures.debug import debug_decoder
from triptych.connector import QFormerConfig, qformer_blip2
from triptych.fusion.vlm import VLMConfig
from triptych.language import LearnedPositionsConfig, opt_2_7b
from triptych.media import FixedResizeConfig
from triptych.processor import ProcessorConfig
from triptych.text import PLAIN_CAPTION
from triptych.vision import eva_vit_g14, eva_vit_g14_debug

PAPER = "https://arxiv.org/abs/2301.12597"


def blip2_opt_2_7b() -> Architecture:
    """BLIP-2 with OPT 2.7B."""
    return Architecture(
        name="blip2_opt_2_7b",
        model=VLMConfig(vision=eva_vit_g14(), connector=qformer_blip2(), language=opt_2_7b()),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=224, width=224),
            template=replace(PLAIN_CAPTION, image_token="<image>", end_tokens=("</s>",)),
            max_tokens=2048,
        ),
        paper=PAPER,
    )


def blip2_debug() -> Architecture:
    """Every part of its kind, small enough for a test."""
    language = replace(
        debug_decoder(num_kv_heads=4),
        norm="layer",
        activation="relu",
        gated_mlp=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        positions=LearnedPositionsConfig(max_positions=256, offset=2),
    )
    return Architecture(
        name="blip2_debug",
        model=VLMConfig(
            vision=eva_vit_g14_debug(),
            connector=QFormerConfig(num_queries=4, dim=32, depth=2, num_heads=2, ffn_dim=64),
            language=language,
        ),
        processor=ProcessorConfig(
            resize=FixedResizeConfig(height=32, width=32),
            template=PLAIN_CAPTION,
            max_tokens=256,
        ),
        paper=PAPER,
    )
